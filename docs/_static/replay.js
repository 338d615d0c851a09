// Plays the recordings of a page. kittools/site/build.py puts timeline.js, the component of the live
// views, before this text, so `component` is known here. A page has no kernel: its model is the
// recording, which holds all traits that do not change.

function modelOf(traits) {
  return { get: (name) => traits[name], on() {}, off() {}, send() {} };
}

function mount(place) {
  const data = place.querySelector("script[type='application/json']");
  const model = modelOf({ window_s: 0, running: false, ...JSON.parse(data.textContent) });
  component.initialize({ model });
  place.querySelector("p").hidden = true;
  component.render({ model, el: place });
  if (place.dataset.start === "auto") begin(place);
}

// On the start page the recording begins by itself, slowly enough to read: once it is in sight, and
// unless the reader's system asks for less motion.
function begin(place) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  const speed = place.querySelector("select"), start = place.querySelector("[aria-label='play']");
  speed.value = "0.5";
  const watch = new IntersectionObserver(([entry]) => {
    if (!entry.isIntersecting) return;
    watch.disconnect();
    start.click();
  }, { threshold: 0.5 });
  watch.observe(place);
}

for (const place of document.querySelectorAll(".kit-replay")) mount(place);
