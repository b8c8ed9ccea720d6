"use strict";
// Draws the figures from the JSON beside them: those in view first, the others while the page is idle, all of them before printing.
(() => {
  const PAPER = { width: 680, height: 860 }; // pixels that fit on a page of A4 and of US letter
  const LEGEND = 29; // pixels of a legend of one line, for which figures have room
  const json = (id) => JSON.parse(document.getElementById(id).textContent);
  const plots = [...document.querySelectorAll(".plot")];
  const prefersDark = window.matchMedia("(prefers-color-scheme: dark)");
  const darkColours = plots.length ? json("dark-colours") : {};
  const chosen = {}; // chart -> the metric that is chosen
  let printing = false;

  const figure = (plot) => {
    const name = plot.id.replace("chart-", "");
    let text = document.getElementById(`figure-${name}`).textContent;
    if (prefersDark.matches && !printing) {
      for (const [light, dark] of Object.entries(darkColours)) text = text.replaceAll(light, dark);
    }
    const found = JSON.parse(text);
    const metric = chosen[plot.id];
    if (metric !== undefined) {
      const changed = json(`data-${name}`)[metric];
      changed.y.forEach((y, i) => { found.data[i].y = y; });
      const coloured = JSON.parse(Object.entries(prefersDark.matches && !printing ? darkColours : {}).reduce(
        (all, [light, dark]) => all.replaceAll(light, dark), JSON.stringify(changed.layout)));
      Object.assign(found.layout, coloured);
    }
    if (printing) {
      found.layout.width = PAPER.width / (plot.closest(".pair") ? 2.15 : 1);
      found.layout.height = Math.min(found.layout.height, PAPER.height);
      plot.style.height = `${found.layout.height}px`;
    } else {
      found.layout.autosize = true;
      plot.style.height = `${found.layout.height}px`;
    }
    return found;
  };

  // On a narrow screen a legend takes several lines: the figure grows by them, so that what is drawn keeps its height.
  const fit = (plot, height) => {
    const legend = plot.querySelector(".legend .bg");
    const more = legend ? Math.max(0, Math.ceil(legend.getBBox().height) - LEGEND) : 0;
    const wanted = printing ? Math.min(height + more, PAPER.height) : height + more;
    if (plot.layout.height === wanted) return;
    plot.style.height = `${wanted}px`;
    Plotly.relayout(plot, { height: wanted });
  };

  const drawn = new Set();
  const draw = (plot) => {
    const { data, layout } = figure(plot);
    const { height } = layout;
    drawn.add(plot);
    Plotly.react(plot, data, layout, { responsive: true, displayModeBar: false, displaylogo: false });
    plot.removeAllListeners("plotly_afterplot"); // which also follows a change of the width
    plot.on("plotly_afterplot", () => fit(plot, height));
    fit(plot, height);
  };
  const drawMissing = (plot) => drawn.has(plot) || draw(plot);

  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((each) => each.isIntersecting)) {
      seen.unobserve(entry.target);
      drawMissing(entry.target);
    }
  }, { rootMargin: "300px" });
  plots.forEach((plot) => seen.observe(plot));
  // the time limit, since a page that is never idle must be drawn too
  const idle = window.requestIdleCallback ? (call) => requestIdleCallback(call, { timeout: 200 }) : (call) => setTimeout(call, 1);
  const rest = () => {
    const next = plots.find((plot) => !drawn.has(plot));
    if (next) {
      draw(next);
      idle(rest);
    } else {
      document.documentElement.dataset.drawn = String(Math.round(performance.now()));
    }
  };
  window.addEventListener("load", () => idle(rest));

  prefersDark.addEventListener("change", () => plots.filter((plot) => drawn.has(plot)).forEach(draw));
  let unfolded = [];
  window.addEventListener("beforeprint", () => {
    printing = true;
    unfolded = [...document.querySelectorAll("details:not([open])")];
    unfolded.forEach((each) => { each.open = true; });
    plots.forEach(draw);
  });
  window.addEventListener("afterprint", () => {
    printing = false;
    unfolded.forEach((each) => { each.open = false; });
    plots.forEach(draw);
  });

  for (const select of document.querySelectorAll("select[data-chart]")) {
    const plot = document.getElementById(select.dataset.chart);
    select.addEventListener("change", () => { chosen[plot.id] = select.value; draw(plot); });
  }

  for (const button of document.querySelectorAll("button.copy")) {
    button.addEventListener("click", async () => {
      const text = button.parentElement.querySelector("pre");
      const said = button.parentElement.querySelector(".copied");
      try {
        await navigator.clipboard.writeText(text.textContent);
        said.textContent = "Copied.";
      } catch { // not allowed here: select it, so that Ctrl+C copies it
        window.getSelection().selectAllChildren(text);
        said.textContent = "Selected: press Ctrl+C to copy.";
      }
    });
  }
})();
