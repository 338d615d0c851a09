"""The course as a site: `build` executes the lessons and runs Sphinx; `pages` makes the sources."""
