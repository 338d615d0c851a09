// Plays the recordings of a page. kittools/site/build.py puts the component of the live views, timeline.js,
// before this text, so `component` is known here. A page has no kernel: the model is the recording.

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

// On the start page the recording begins by itself, slowly enough to read; not for who wants less
// motion, and not where it is out of sight.
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
