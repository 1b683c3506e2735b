// Draws the charts, and adds up the cubes again when a filter changes.
// Nothing is computed here but sums of counts and one sum over another.
"use strict";
(async () => {
  const data = JSON.parse(document.getElementById("data").textContent);
  // The view of each chart, as a promise: what comes next waits for what came before.
  const views = new Map();

  // A phone shows figures first: the rest of the top is a tap away.
  const phone = matchMedia("(max-width: 30rem)");
  const fold = () => {
    for (const part of document.querySelectorAll(".about")) part.open = !phone.matches;
  };
  phone.addEventListener("change", fold);
  fold();

  // As words.py writes values; halves go up.
  const rounded = (value, places) => {
    const scale = 10 ** places;
    return (Math.floor(value * scale + 0.5) / scale).toLocaleString("en-US", {
      minimumFractionDigits: places, maximumFractionDigits: places,
    });
  };
  const withUnit = (value, places, unit) => `${rounded(value, places)}\u00a0${unit}`;
  const amount = (value) => {
    for (const [size, unit] of [[1e9, "bn"], [1e6, "m"], [1e3, "k"]]) {
      const size_ = Math.abs(value);
      if (size_ >= size * 10 || (size > 1e3 && size_ >= size)) {
        return withUnit(value / size, size_ < size * 100 ? 1 : 0, unit);
      }
    }
    return rounded(value, 0);
  };
  const shown = (value, kind, cases) => {
    if (kind === "share" && cases !== undefined && cases < data.fewest_cases) return data.too_few;
    if (value === null || value === undefined) return data.nothing;
    if (kind === "share") {
      const small = value !== 0 && Math.abs(value) < 0.0995;
      return withUnit(value * 100, small ? 1 : 0, "%");
    }
    if (kind === "amount") return amount(value);
    if (kind === "days") return withUnit(value, 1, "d");
    return rounded(value, kind === "number" ? 2 : 0);
  };

  const unpacked = async (text) => {
    const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  };

  // {filter name: set of codes}; a filter that is not set is left out.
  const chosen = (form) => {
    const found = {};
    for (const [name, value] of new FormData(form)) {
      if (value !== "") found[name] = new Set(value.split(",").map(Number));
    }
    return found;
  };

  const filled = (breakdown, cube, choice) => {
    const totals = new Map();
    const filters = Object.entries(choice).map(([name, codes]) => [cube.codes[name], codes]);
    // A filter is a key, too: its values are its codes.
    const keys = breakdown.by.map((name) =>
      name in cube.keys ? [cube.keys[name], cube.texts[name]] : [cube.codes[name], null]);
    const sums = Object.entries(cube.sums);
    const none = () => Object.fromEntries(sums.map(([name]) => [name, 0]));
    const whole = none();
    for (let at = 0; at < cube.codes.period.length; at += 1) {
      if (!filters.every(([column, codes]) => codes.has(column[at]))) continue;
      const key = keys
        .map(([column, texts]) => (texts ? texts[column[at]] : column[at])).join("|");
      if (!totals.has(key)) totals.set(key, none());
      const total = totals.get(key);
      for (const [name, column] of sums) {
        total[name] += column[at];
        whole[name] += column[at];
      }
    }
    return breakdown.rows.map((row) => {
      const key = breakdown.by.map((name) => String(row[name])).join("|");
      const total = totals.get(key) ?? none();
      const full = { ...row, key };
      for (const { name, of, per, is_of_all: isOfAll } of breakdown.measures) {
        const cases = (isOfAll ? whole : total)[per];
        full[name] = per === null ? total[of] : cases ? total[of] / cases : null;
        if (per !== null) full[`${name}_cases`] = cases;
      }
      return full;
    });
  };

  const say = (element, name, measure, row) => {
    const { kind } = data.breakdowns[name].measures.find((item) => item.name === measure);
    element.textContent = shown(row[measure], kind, row[`${measure}_cases`]);
  };

  const embedded = async (name, place, spec) => {
    const { view } = await vegaEmbed(place, spec, {
      actions: false, ast: true, config: data.config, mode: "vega-lite", renderer: "svg",
    });
    // Its finding, which a filter changes, is its name; the table below has its data.
    place.setAttribute("role", "img");
    place.setAttribute("aria-labelledby", `${name}-finding`);
    for (const given of ["aria-label", "aria-roledescription"]) place.removeAttribute(given);
    place.querySelector("svg").setAttribute("aria-hidden", "true");
    return view;
  };

  const placeOf = (name) => [...document.querySelectorAll("[data-drawing]")]
    .find((element) => element.dataset.drawing === name);

  const draw = async (name, all) => {
    const { cases, spec, total } = data.charts[name];
    const rows = cases === null ? all : all.filter((row) => row[cases] >= data.fewest_cases);
    const place = placeOf(name);
    const few = total !== null
      && rows.reduce((sum, row) => sum + row[total], 0) < data.fewest_cases;
    place.hidden = few || rows.length === 0;
    place.parentElement.querySelector(".too-few").hidden = !place.hidden;
    if (place.hidden) return;
    const before = views.get(name);
    views.set(name, before
      ? before.then((view) => view.data("rows", rows).resize().runAsync())
      : embedded(name, place, { ...spec, datasets: { ...spec.datasets, rows } }));
    await views.get(name);
  };

  const leaveToTable = (name) => {
    const figure = placeOf(name).closest("figure");
    const why = figure.querySelector(".too-few");
    figure.querySelector(".drawing").hidden = true;
    figure.querySelector("details.data").open = true;
    why.textContent = "This browser is too old to draw this (it can't unpack gzip); "
      + "the table has its numbers.";
    why.hidden = false;
  };

  const show = (name, rows) => {
    const byKey = new Map(rows.map((row) => [row.key, row]));
    const measures = new Set(data.breakdowns[name].measures.map((item) => item.name));
    for (const element of document.querySelectorAll("[data-live]")) {
      if (element.dataset.live !== name || !byKey.has(element.dataset.row)) continue;
      say(element, name, element.dataset.measure, byKey.get(element.dataset.row));
    }
    for (const table of document.querySelectorAll("table[data-breakdown]")) {
      if (table.dataset.breakdown !== name) continue;
      for (const line of table.tBodies[0].rows) {
        for (const cell of line.querySelectorAll("[data-measure]")) {
          const row = byKey.get(line.dataset.row);
          if (row && measures.has(cell.dataset.measure)) say(cell, name, cell.dataset.measure, row);
        }
      }
    }
    for (const [chart, { breakdown }] of Object.entries(data.charts)) {
      if (breakdown === name) draw(chart, rows);
    }
  };

  // A browser that can't unpack them shows what the page says without a filter.
  const cubes = await unpacked(data.cubes).catch(() => null);
  const rowsOf = (name, choice) =>
    filled(data.breakdowns[name], cubes[data.breakdowns[name].cube], choice);
  for (const [name, { breakdown, rows }] of Object.entries(data.charts)) {
    if (cubes === null && breakdown !== null) leaveToTable(name);
    else await draw(name, breakdown === null ? rows : rowsOf(breakdown, {}));
  }

  const form = document.getElementById("filters");
  const update = () => {
    const choice = chosen(form);
    const isFiltered = Object.keys(choice).length > 0;
    for (const name of Object.keys(data.breakdowns)) show(name, rowsOf(name, choice));
    for (const note of document.querySelectorAll(".all-leads")) note.hidden = !isFiltered;
    const holds = {
      all: !isFiltered, filtered: isFiltered, any_time: !("period" in choice),
      period: "period" in choice,
    };
    for (const part of document.querySelectorAll("[data-when]")) {
      part.hidden = !holds[part.dataset.when];
    }
    document.getElementById("filtered").textContent = isFiltered ? "Filtered" : "";
  };
  if (form && cubes !== null) {
    form.hidden = false;
    form.addEventListener("change", update);
    form.addEventListener("reset", () => setTimeout(update));
  }
  document.documentElement.dataset.ready = "";
})();
