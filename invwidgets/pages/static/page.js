// The page: what is in view, and the controls that move it.
import { createChart, mean } from "./chart.js";
import { createChoice } from "./choices.js";
import { createCode } from "./code.js";
import { percent } from "./compare.js";
import { createStore, el, still } from "./dom.js";
import { createFilm } from "./film.js";
import { createClasses, createNumbers } from "./numbers.js";
import { createOverview } from "./overview.js";
import { createPictures } from "./pictures.js";
import { createSheet } from "./sheet.js";
import { createTour } from "./tour.js";

const content = JSON.parse(document.getElementById("invwidgets-page").textContent);
const { axes, entries } = content;
const main = axes.findIndex((axis) => axis.name === content.main);
const byPlace = new Map(entries.map((entry, place) => [entry.at.join(), place]));
const first = entries.findIndex((entry) => entry.told);
const hasError = entries.some((entry) => entry.told?.summary.relative_error);
const most = Math.max(1e-9, ...entries.flatMap((entry) => entry.told?.errors ?? []));

const store = createStore({
  at: entries[first].at, shown: `s${entries[first].told.best}`, wipe: 50, point: null, frame: null, hasPhoto: false,
});
const entryAt = (at) => byPlace.get(at.join()) ?? null;
const wordsOf = (at, without) => axes.map((axis, place) => (place === without ? "" : `${axis.bare ? "" : `${axis.label} `}${axis.values[at[place]]}`)).filter(Boolean).join(" · ");
const moved = (at, axis, value) => at.map((old, index) => (index === axis ? value : old));

// The stops of the main axis that exist for the other axes' values: networks have their own layers.
function stopsOf(at) {
  if (main < 0) return [];
  const every = axes[main].values.map((name, value) => ({ name, value, place: entryAt(moved(at, main, value)) }));
  return every.filter(({ place }) => place !== null);
}
function chooseAt(at) {
  const stops = stopsOf(at);
  let next = at;
  if (stops.length && entryAt(at) === null) {
    const nearest = stops.reduce((best, stop) => (Math.abs(stop.value - at[main]) < Math.abs(best.value - at[main]) ? stop : best));
    next = moved(at, main, nearest.value);
  }
  store.set({ at: next });
}
function chooseStop(place) {
  const stop = stopsOf(store.state.at)[place];
  if (stop) store.set({ at: moved(store.state.at, main, stop.value) });
}

const pictures = createPictures(store, (key) => {
  if (key === "photo") store.set({ wipe: 100 });
  else store.set({ shown: key, wipe: store.state.wipe === 100 ? 0 : store.state.wipe });
});
const film = createFilm(store, content);
const numbers = createNumbers();
const classes = createClasses();
const code = createCode();
const mainLabel = main < 0 ? "" : axes[main].label;
const overview = createOverview(mainLabel, chooseStop);
const chart = createChart(chooseStop);
const others = axes.map((axis, place) => ({ axis, place })).filter(({ place }) => place !== main);
const choices = others.map(({ axis, place }) => ({ place, ...createChoice(axis, place, (value) => chooseAt(moved(store.state.at, place, value))) }));

const app = document.getElementById("app");
const stage = el("div", { class: "stage" },
  el("div", { class: "left" }, pictures.viewer, film.root),
  el("div", { class: "right" }, pictures.small, pictures.legend, numbers.root, classes.root));
if (choices.length) app.append(el("div", { class: "choices" }, ...choices.map((choice) => choice.root)));
if (main >= 0) app.append(el("div", { class: "top" }, overview.root, chart.root));
app.append(stage, code.root);
pictures.keys(stage);

// All pictures: the other axes' combinations down.
const combinations = new Map();
for (const entry of entries) {
  const rest = others.map(({ place }) => entry.at[place]);
  if (!combinations.has(rest.join())) combinations.set(rest.join(), { rest, at: entry.at });
}
const rows = [...combinations.values()].map(({ rest, at }) => ({
  words: wordsOf(at, main),
  places: main < 0 ? [entryAt(at)] : axes[main].values.map((_, value) => entryAt(moved(at, main, value))),
}));
const sheet = createSheet(content, main < 0 ? [""] : axes[main].values, rows, (place) => {
  store.set({ at: entries[place].at });
  app.scrollIntoView({ block: "start" });
});

function viewOf(place) {
  const entry = place === null ? null : entries[place], told = entry?.told;
  if (!told) {
    const reason = entry?.reason || "No result was given for this combination.";
    return { pictures: [], reason, fields: null, size: entries[first].told.size, region: null, legend: "", words: "" };
  }
  const shown = told.seeds.map((seed, index) => ({ key: `s${index}`, name: `seed ${seed}`, says: told.captions[index], src: still(`e${place}s${index}`) }));
  if (entry.photo !== null) shown.unshift({ key: "photo", name: content.photos[entry.photo], says: "the photo", src: still(`p${entry.photo}`) });
  if (entry.mean) {
    shown.push({ key: "mean", name: "mean", says: "of all seeds", src: still(`e${place}mean`) });
    shown.push({ key: "spread", name: "spread", says: "dark: seeds agree", src: still(`e${place}spread`) });
  }
  const fewer = told.more ? ` ${told.seeds.length} of ${told.seeds.length + told.more} seeds are shown.` : "";
  return {
    pictures: shown, reason: "", size: told.size, region: told.region, words: wordsOf(entry.at, -1) || told.layer,
    fields: told.field === null ? null : { ...content.fields[told.field], effective: content.effective[told.effective] },
    legend: `${[wordsOf(entry.at, -1), told.note].filter(Boolean).join(" · ")}.${fewer}`,
  };
}

let view = null, laid = [];
store.listen(["at"], () => {
  const { at, shown } = store.state;
  const place = entryAt(at), told = place === null ? null : entries[place].told;
  const stops = stopsOf(at).map((stop) => {
    const one = entries[stop.place].told;
    const size = one?.shape?.words ?? "";
    const errors = one?.errors ?? null;
    const said = errors ? (hasError ? percent(mean(errors)) : `×${mean(errors).toFixed(2)}`) : "no result";
    return {
      ...stop, size: content.main === "layer" ? size : "", errors, said: one ? said : entries[stop.place].reason, short: errors ? said : "",
      tip: [stop.name, content.main === "layer" && size].filter(Boolean).join(", "),
      picture: one ? still(`e${stop.place}s${one.best}`) : "",
    };
  });
  const same = stops.length === laid.length && stops.every((stop, index) => stop.place === laid[index].place);
  if (!same && main >= 0) {
    const what = hasError ? "Feature error" : "Score";
    overview.lay(stops);
    chart.lay(stops, most, `${what} by ${mainLabel}: a point for each seed, a line through the means, 0 to ${hasError ? percent(most) : most.toFixed(2)}`);
  }
  laid = stops;
  const here = stops.findIndex((stop) => stop.place === place);
  overview.mark(stops, here);
  chart.mark(here);
  choices.forEach((choice) => choice.mark(at[choice.place]));
  view = viewOf(place);
  const keys = view.pictures.map((picture) => picture.key);
  store.set({ hasPhoto: keys.includes("photo") });
  if (told && !keys.includes(shown)) store.set({ shown: `s${told.best}` });
  pictures.lay(stage, view);
  film.lay(place === null ? null : entries[place], place);
  code.lay(told);
  sheet.mark(place);
  tell();
});
function tell() {
  const place = entryAt(store.state.at), told = place === null ? null : entries[place].told;
  pictures.show(view, store.state.shown, film.frames());
  numbers.lay(told, store.state.shown);
  classes.lay(told, store.state.shown);
}
store.listen(["shown"], tell);
store.listen(["wipe"], () => pictures.show(view, store.state.shown, film.frames()));
store.listen(["frame"], () => { film.mark(); pictures.show(view, store.state.shown, film.frames()); });
store.listen(["point"], () => pictures.mark(stage));
document.documentElement.classList.add("live");
document.documentElement.classList.toggle("embedded", location.search === "?embedded" || location.href === "about:srcdoc");
app.hidden = false;

// By itself along the slider, then to the next combination of the other axes, until it is touched.
if (content.plays && entries.length > 1) {
  const order = rows.flatMap(({ places }) => places).filter((place) => place !== null && entries[place].told);
  const tour = createTour(() => {
    const next = order[(order.indexOf(entryAt(store.state.at)) + 1) % order.length];
    store.set({ at: entries[next].at });
  });
  app.prepend(tour.root);
  tour.begin();
}
