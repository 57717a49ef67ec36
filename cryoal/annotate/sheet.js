"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const JUNK = "junk", UNSURE = "unsure", REPEAT = "repeat-";
  const COLUMNS = ["statement", "when", "id", "label", "round", "revokes", "tomogram", "x", "y", "z", "annotator", "control"];
  // A page that was made for somebody has a memory of its own for who used it last.
  const last_name = `cryoal:${data.key}:${data.annotator}:annotator`;
  // Some particles are asked about twice, and nothing shows it: that tells how sure the labels are.
  const questions = data.order.map(([at, repeat]) => ({ ...data.items[at], repeat: Boolean(repeat) }));
  const particles = new Map(data.items.map((item) => [item.id, item]));
  const slot = (id, repeat) => (repeat ? "again " : "first ") + id;
  const slot_of = (question) => slot(question.id, question.repeat);
  const slot_said = (statement) => slot(statement.id, statement.statement.startsWith(REPEAT));
  const where = new Map(questions.map((question, index) => [slot_of(question), index]));

  // ---- what was said: statements that are only ever added, as in the project's own ledgers ----
  let annotator = data.annotator;
  let state = nothing();
  let newest = 0; // microseconds; statements are ordered by their time
  let standing = []; // statements nobody took back, oldest first
  let answers = new Map(); // slot of a question -> label

  function nothing() { return { statements: [], classes: [], sent: [] }; }
  // What the annotator whom the page was made for has in the project's ledger already.
  function known() {
    if (annotator !== data.annotator) return nothing();
    return { statements: data.statements, classes: [], sent: data.statements.map((s) => s.statement) };
  }
  function place(name) { return `cryoal:${data.key}:${data.round}:${name}`; }
  function remembered(name) {
    const text = localStorage.getItem(place(name));
    try { return text ? { ...nothing(), ...JSON.parse(text) } : nothing(); } catch { return nothing(); }
  }
  function unite(one, other) {
    const all = new Map([...one.statements, ...other.statements].map((s) => [s.statement, s]));
    const statements = [...all.values()].sort((a, b) => (a.when + a.statement < b.when + b.statement ? -1 : 1));
    return {
      statements,
      classes: [...new Set([...one.classes, ...other.classes])],
      sent: [...new Set([...one.sent, ...other.sent])],
    };
  }
  let keeps = true;
  function stored(action) {
    try { return action(); } catch (problem) {
      keeps = false;
      notice("This browser keeps nothing for this page (" + problem.name + "). Download before you close it.");
      return undefined;
    }
  }
  function save() {
    // Another tab may have added answers meanwhile: nothing of it is overwritten.
    stored(() => {
      state = unite(remembered(annotator), state);
      localStorage.setItem(place(annotator), JSON.stringify(state));
    });
    settle();
  }
  function settle() {
    const revoked = new Set();
    for (const s of [...state.statements].reverse()) {
      if (s.revokes && !revoked.has(s.statement)) revoked.add(s.revokes);
    }
    standing = state.statements.filter((s) => s.label && !revoked.has(s.statement));
    answers = new Map(standing.map((s) => [slot_said(s), s.label]));
    for (const s of state.statements) newest = Math.max(newest, microseconds(s.when));
  }
  function microseconds(when) {
    return Date.parse(when.slice(0, 23) + "Z") * 1000 + Number(when.slice(23, 26));
  }
  function stamp() {
    newest = Math.max(Date.now() * 1000, newest + 1);
    const whole = new Date(Math.floor(newest / 1000)).toISOString().slice(0, 23);
    return whole + String(newest % 1000).padStart(3, "0") + "+00:00";
  }
  function unique() {
    return [...crypto.getRandomValues(new Uint8Array(8))].map((b) => b.toString(16).padStart(2, "0")).join("");
  }
  function state_that(item, label, revokes = "") {
    const name = (item.repeat ? REPEAT : "") + unique();
    state.statements.push({ statement: name, when: stamp(), id: item.id, label, revokes });
    save();
  }

  // ---- classes ----
  function classes() {
    const named = [...data.classes, ...state.classes, ...answers.values()];
    return [...new Set(named)].filter((name) => name !== JUNK && name !== UNSURE);
  }
  function colour(name) {
    if (Object.hasOwn(data.colours, name)) return data.colours[name];
    const free = data.palette.filter((one) => !Object.values(data.colours).includes(one));
    const choice = free.length ? free : data.palette;
    const added = classes().filter((other) => !Object.hasOwn(data.colours, other));
    return choice[Math.max(0, added.indexOf(name)) % choice.length];
  }
  function add_class(text) {
    const name = text.replace(/\s+/g, " ").trim();
    const same = [...classes(), JUNK, UNSURE].find((other) => other.toLowerCase() === name.toLowerCase());
    if (!name) return;
    if (same) { toast(`There is “${same}” already`); return; }
    state.classes.push(name);
    save();
    const key = classes().indexOf(name) + 1;
    toast(key <= 9 ? `Key ${key} is “${name}”` : `“${name}” has no key left: click it`);
    show();
  }

  // ---- moving and answering ----
  let here = 0;
  let asked = false;

  function go(index) {
    here = Math.min(Math.max(index, 0), questions.length - 1);
    asked = false;
    show();
  }
  // A repeat waits for its first time.
  function is_open(question) {
    if (answers.has(slot_of(question))) return false;
    return !question.repeat || answers.has(slot(question.id, false));
  }
  function go_on() {
    const n = questions.length;
    for (let step = 1; step < n; step++) {
      const index = (here + step) % n;
      if (is_open(questions[index])) {
        if (index < here) toast("Back to what you left open");
        go(index);
        return;
      }
    }
    go(here);
    toast(answers.has(slot_of(questions[here])) ? "Every particle has an answer: download them now" : "This is the last one open");
  }
  function begin() {
    const open = questions.findIndex(is_open);
    go(open < 0 ? questions.length - 1 : open);
  }
  function answer(label) {
    state_that(questions[here], label);
    go_on();
  }
  function by_key(number) {
    const name = classes()[number - 1];
    if (name === undefined) {
      toast(`Key ${number} has no class yet: add one`);
      $("new").placeholder = "name of a class";
      return;
    }
    answer(name);
  }
  function undo() {
    const last = standing.at(-1);
    if (!last) { toast("Nothing to take back"); return; }
    state_that(last, "", last.statement);
    toast(`Took back “${last.label}”`);
    go(where.get(slot_said(last)) ?? here);
  }
  function ask() {
    asked = !asked;
    show();
  }
  function confirm_guess() {
    const guess = questions[here].guess;
    if (!guess.length) { toast("No model has been trained yet, so there is no guess to confirm"); return; }
    const [name, share] = guess[0];
    answer(name);
    toast(`As the model says: ${name} ${percent(share)}`);
  }
  function percent(share) { return share === null ? "" : `${Math.round(100 * share)} %`; }

  // ---- the file for cryoal label --from ----
  function cell(value) {
    const text = String(value ?? "");
    return /["\t\r\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
  }
  function file() {
    // Undone before it was ever handed on: it need not be told, unless an earlier file had it.
    const sent = new Set(state.sent);
    const revocations = new Map(state.statements.filter((s) => s.revokes).map((s) => [s.revokes, s]));
    const untold = new Set();
    for (const [revoked, revocation] of revocations) {
      if (!sent.has(revoked)) untold.add(revoked).add(revocation.statement);
    }
    const told = state.statements.filter((s) => !untold.has(s.statement));
    const lines = told.map((s) => {
      const item = particles.get(s.id) ?? {};
      return COLUMNS.map((name) => cell({ ...item, ...s, round: data.round, annotator }[name])).join("\t");
    });
    return { told, text: [COLUMNS.join("\t"), ...lines].join("\n") + "\n" };
  }
  function unsent() {
    const sent = new Set(state.sent);
    return file().told.filter((s) => !sent.has(s.statement)).length;
  }
  function download() {
    const { told, text } = file();
    if (!told.length) { toast("No answers to download yet"); return; }
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "text/tab-separated-values" }));
    const name = `${data.project}_round_${data.round}_${annotator || "labels"}`;
    link.download = name.replace(/[^\p{L}\p{N}_.+-]+/gu, "_") + ".tsv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    state.sent = [...new Set([...state.sent, ...told.map((s) => s.statement)])];
    save();
    toast(`Saved ${link.download}`);
    show();
  }

  // ---- pictures ----
  const look = { slab: data.slab, filter: 0, contrast: 1, brightness: 1, invert: false, circle: false };
  const planes = ["xy", "xz", "yz"];
  const decoded = new Map();

  function picture(source) {
    if (!decoded.has(source)) {
      const image = new Image();
      image.src = "data:image/jpeg;base64," + source;
      decoded.set(source, image);
      if (decoded.size > 60) decoded.delete(decoded.keys().next().value);
    }
    return decoded.get(source);
  }
  function sources(index) {
    const item = questions[index];
    if (!item) return [];
    const slabs = item.pictures[look.slab];
    return [slabs[look.filter] ?? slabs[0], item.context?.source].filter(Boolean);
  }
  function paint(canvas, image, [x, y, width, height], round_it) {
    const side = Math.max(64, Math.round(canvas.clientWidth * (window.devicePixelRatio || 1)));
    canvas.width = canvas.height = side;
    const pen = canvas.getContext("2d");
    pen.imageSmoothingQuality = "high";
    const scale = side / Math.max(width, height);
    const left = (side - width * scale) / 2, top = (side - height * scale) / 2;
    pen.drawImage(image, x, y, width, height, left, top, width * scale, height * scale);
    if (round_it) {
      pen.strokeStyle = "#6cb6e8";
      pen.globalAlpha = 0.9;
      pen.lineWidth = Math.max(1.5, side / 250);
      pen.setLineDash([side / 60, side / 60]);
      pen.beginPath();
      pen.arc(left + (round_it.x + 0.5) * scale, top + (round_it.y + 0.5) * scale, round_it.radius * scale, 0, 7);
      pen.stroke();
    }
  }
  function draw() {
    const item = questions[here];
    const filter = `${look.invert ? "invert(1) " : ""}brightness(${look.brightness}) contrast(${look.contrast})`;
    for (const name of [...planes, "context"]) $(name).style.filter = filter;
    const [slabs, around] = sources(here);
    when_ready(slabs, (image) => {
      const side = image.naturalHeight, middle = data.middle * side - 0.5;
      const outline = look.circle && { x: middle, y: middle, radius: data.radius * side };
      planes.forEach((name, at) => paint($(name), image, [at * side, 0, side, side], outline));
    });
    $("context").parentElement.hidden = !around;
    $("planes").classList.toggle("three", !around);
    if (around) {
      when_ready(around, (image) => {
        paint($("context"), image, [0, 0, image.naturalWidth, image.naturalHeight], item.context);
      });
    }
    for (let step = 1; step <= 3; step++) sources(here + step).forEach(picture);
  }
  function when_ready(source, action) {
    const image = picture(source), index = here;
    const still = () => index === here && sources(here).includes(source) && action(image);
    if (image.complete && image.naturalWidth) still(); else image.addEventListener("load", still, { once: true });
  }

  // ---- the page ----
  function show() {
    const item = questions[here], label = answers.get(slot_of(item));
    const done = questions.filter((other) => answers.has(slot_of(other))).length;
    $("number").textContent = `${here + 1} of ${questions.length}`;
    $("name").textContent = item.id;
    $("told").textContent = label ?? "";
    $("told").style.borderColor = label ? colour(label) : "transparent";
    $("progress").textContent = `${done} of ${questions.length} answered`;
    $("bar").setAttribute("aria-valuenow", String(done));
    $("bar").setAttribute("aria-valuemax", String(questions.length));
    $("filled").style.width = `${(100 * done) / questions.length}%`;
    $("rate").textContent = rate(questions.length - done);
    const fresh = unsent();
    $("download").textContent = fresh ? `Download (${fresh} new)` : "Download";
    $("download").classList.toggle("ready", fresh > 0 && done === questions.length);
    show_classes(label);
    show_guess(item);
    show_strip();
    draw();
  }
  function show_classes(label) {
    const counts = new Map(), words = new Map(standing.map((s) => [s.id, s.label]));
    for (const item of data.items) {
      const word = words.get(item.id);
      if (word !== undefined) counts.set(word, (counts.get(word) ?? 0) + 1);
    }
    $("classes").replaceChildren(...classes().map((name, at) => {
      const button = element("button", "", element("span", "dot"), element("span", "label", name), element("span", "count", counts.get(name) ?? ""));
      if (at < 9) button.append(element("kbd", "", String(at + 1)));
      button.firstChild.style.background = colour(name);
      button.title = name;
      button.classList.toggle("told", name === label);
      press(button, () => answer(name));
      return button;
    }));
    for (const name of [JUNK, UNSURE]) {
      $(name).classList.toggle("told", name === label);
      $(name).querySelector(".count").textContent = counts.get(name) ?? "";
    }
  }
  function show_guess(item) {
    $("ask").hidden = asked;
    $("thinks").hidden = !asked;
    $("thinks").replaceChildren();
    if (!asked) return;
    for (const [name, share] of item.guess) {
      const weight = element("div", "weight", element("div", ""));
      weight.firstChild.style.width = `${100 * share}%`;
      $("thinks").append(element("div", "thought", element("span", "", name), element("span", "soft", percent(share)), weight));
    }
    $("thinks").append(element("div", "hint", item.guess.length ? "Enter confirms the first" : "No model yet: this queue was chosen without labels"));
  }
  const squares = questions.map((item, index) => {
    const square = element("button", "");
    square.tabIndex = -1;
    press(square, () => go(index));
    return square;
  });
  $("strip").replaceChildren(...squares);
  function show_strip() {
    squares.forEach((square, index) => {
      const label = answers.get(slot_of(questions[index]));
      square.style.background = label ? colour(label) : "";
      square.title = `${index + 1}${label ? ": " + label : ""}`;
      square.classList.toggle("here", index === here);
    });
    $("strip").scrollTop = squares[here].offsetTop - $("strip").clientHeight / 2;
  }
  function rate(left) {
    const times = standing.map((s) => microseconds(s.when) / 1e6);
    const gaps = times.slice(1).map((t, i) => t - times[i]).filter((gap) => gap < 60).sort((a, b) => a - b);
    if (gaps.length < 3) return "";
    const typical = gaps[Math.floor(gaps.length / 2)];
    const minutes = Math.ceil((left * typical) / 60);
    return `${typical.toFixed(1)} s a particle` + (left ? `, about ${minutes} min left` : "");
  }
  function element(kind, name, ...children) {
    const made = document.createElement(kind);
    if (name) made.className = name;
    made.append(...children); // text stays text
    return made;
  }
  function press(button, action) {
    button.addEventListener("click", () => { button.blur(); action(); });
  }
  let fading = 0;
  function toast(text) {
    $("toast").textContent = text;
    $("toast").classList.add("up");
    clearTimeout(fading);
    fading = setTimeout(() => $("toast").classList.remove("up"), 2200);
  }
  function notice(text) {
    $("notice").textContent = text;
    $("notice").hidden = false;
  }
  function choose(id, options, key) {
    $(id).replaceChildren(...options.map((text, index) => new Option(text, String(index))));
    $(id).addEventListener("change", () => { change({ [key]: Number($(id).value) }); $(id).blur(); });
  }
  function change(some) {
    Object.assign(look, some);
    stored(() => localStorage.setItem("cryoal:look", JSON.stringify(look)));
    show_look();
    draw();
  }
  function show_look() {
    look.slab = Math.min(Math.max(look.slab, 0), data.slabs.length - 1);
    look.filter = Math.min(Math.max(look.filter, 0), data.filters.length - 1);
    for (const name of ["slab", "filter", "contrast", "brightness"]) $(name).value = String(look[name]);
    for (const name of ["invert", "circle"]) $(name).checked = look[name];
  }
  function rename(name) {
    const before = annotator, unnamed = state;
    annotator = name.replace(/\s+/g, " ").trim();
    if (annotator === before) return;
    // Who answers first and then says who they are keeps the answers.
    const mine = before === "" ? unnamed : nothing();
    state = unite(known(), mine);
    stored(() => {
      state = unite(remembered(annotator), state);
      localStorage.setItem(place(annotator), JSON.stringify(state));
      if (before === "") localStorage.removeItem(place(""));
      localStorage.setItem(last_name, annotator);
    });
    settle();
    $("annotator").value = annotator;
    if (before === "") { go(here); return; }
    begin();
    toast(`These are the answers of ${annotator || "nobody yet"}; those of ${before} are kept under that name`);
  }

  // ---- keys ----
  function typing(target) {
    return target.matches?.("input:not([type=range]):not([type=checkbox]), textarea");
  }
  document.addEventListener("keydown", (event) => {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (typing(event.target)) {
      if (key === "Escape") event.target.blur();
      return;
    }
    if ($("helped").open) {
      if (key === "h") { event.preventDefault(); $("helped").close(); }
      return;
    }
    const command = event.ctrlKey || event.metaKey;
    if (command ? key !== "z" || event.shiftKey : event.altKey) return;
    if (event.target.matches?.("select, input") && key.startsWith("Arrow")) return;
    if (event.target.matches?.("button, select") && (key === "Enter" || key === " ")) return;
    let action;
    if (key === "z" || key === "Backspace") action = command || key === "Backspace" ? undo : undefined;
    else if (/^[1-9]$/.test(key)) action = () => by_key(Number(key));
    else if (key === "0" || key === "j") action = () => answer(JUNK);
    else if (key === "u") action = () => answer(UNSURE);
    else if (key === "s") action = go_on;
    else if (/^(n|ArrowRight|ArrowDown)$/.test(key)) action = () => go(here + 1);
    else if (/^(p|ArrowLeft|ArrowUp)$/.test(key)) action = () => go(here - 1);
    else if (key === "Enter") action = confirm_guess;
    else if (key === "m") action = ask;
    else if (key === "h" || key === "?") action = () => $("helped").showModal();
    else if (key === "[") action = () => change({ slab: look.slab - 1 });
    else if (key === "]") action = () => change({ slab: look.slab + 1 });
    else if (key === "f") action = () => change({ filter: (look.filter + 1) % data.filters.length });
    if (!action) return;
    event.preventDefault();
    // A key held down moves on, but never answers what nobody has seen.
    if (event.repeat && !/^(n|p|Arrow.*)$/.test(key)) return;
    action();
  });

  // ---- begin ----
  press($("junk"), () => answer(JUNK));
  press($("unsure"), () => answer(UNSURE));
  press($("skip"), go_on);
  press($("undo"), undo);
  press($("next"), () => go(here + 1));
  press($("previous"), () => go(here - 1));
  press($("ask"), ask);
  press($("download"), download);
  press($("help"), () => $("helped").showModal());
  press($("reset"), () => change({ slab: data.slab, filter: 0, contrast: 1, brightness: 1, invert: false, circle: false }));
  for (const name of ["contrast", "brightness"]) {
    $(name).addEventListener("input", () => change({ [name]: Number($(name).value) }));
    $(name).addEventListener("change", () => $(name).blur());
  }
  for (const name of ["invert", "circle"]) {
    $(name).addEventListener("change", () => { change({ [name]: $(name).checked }); $(name).blur(); });
  }
  $("add").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = $("new").value;
    $("new").value = "";
    $("new").blur();
    add_class(text);
  });
  $("annotator").addEventListener("change", () => rename($("annotator").value));
  $("annotator").addEventListener("keydown", (event) => { if (event.key === "Enter") $("annotator").blur(); });
  window.addEventListener("resize", draw);
  window.addEventListener("beforeunload", (event) => { if (!keeps && unsent()) event.preventDefault(); });
  window.addEventListener("storage", (event) => {
    if (event.key !== place(annotator)) return;
    state = unite(remembered(annotator), state);
    settle();
    show();
  });
  choose("slab", data.slabs, "slab");
  choose("filter", data.filters, "filter");
  $("span").textContent = data.span;
  stored(() => {
    Object.assign(look, JSON.parse(localStorage.getItem("cryoal:look") ?? "{}"), { slab: data.slab });
    annotator = localStorage.getItem(last_name) ?? data.annotator;
    state = remembered(annotator);
  });
  state = unite(known(), state);
  $("annotator").value = annotator;
  settle();
  show_look();
  begin();
})();
