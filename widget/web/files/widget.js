// The quiz in its element, which embed.js defines. Questions are rendered here; the server sends the result as finished
// markup, the same as on the page without JavaScript. Nothing is stored before the quiz is started.
const base = new URL("/", import.meta.url).href;
const sheet = new CSSStyleSheet();
let styled; // A style sheet that could not be loaded is requested again by the next attempt.
const style = () => styled ??= fetch(new URL("__CSS__", import.meta.url)).then((r) => r.ok ? r.text() : Promise.reject(r))
  .then((css) => sheet.replace(css)).catch((error) => { styled = undefined; throw error; });
// Pages may require Trusted Types. All markup here is either escaped by esc() or comes from our own server.
const policy = globalThis.trustedTypes?.createPolicy("recovery-quiz", { createHTML: (text) => text });
const html = (text) => policy ? policy.createHTML(text) : text;
const esc = (text) => String(text ?? "").replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
const icon = (d, more = "") => `<svg class="ic ${more}" viewBox="0 0 24 24" aria-hidden="true"><path d="${d}"/></svg>`;
const alarm = "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 7.5v5.5M12 16.3v.1";
const compare = { ">=": (a, b) => a >= b, "<=": (a, b) => a <= b, ">": (a, b) => a > b, "<": (a, b) => a < b };

/** Whether clauses of [question, operator, values, negated] hold. Every term about a question that was not asked is false. */
const holds = (clauses, chosen) => clauses.some((clause) => clause.every(([field, operator, values, negated]) => {
  const given = chosen[field];
  if (!given) return false;
  const hit = operator in compare
    ? given[0] !== "skipped" && compare[operator](+given[0], +values[0])
    : given.some((item) => values.includes(item)) === (operator === "=");
  return hit !== negated;
}));

// Whether the page is dark: "theme" (light, dark, or "light dark" for the system's) counts, else what the page declares.
const system = matchMedia("(prefers-color-scheme: dark)");
const isDark = (host) => {
  const [own, page] = [host, host.parentElement ?? document.body].map((node) => getComputedStyle(node).colorScheme);
  const scheme = [host.getAttribute("theme"), own, page, document.querySelector("meta[name=color-scheme]")?.content]
    .find((one) => /light|dark/.test(one)) ?? "";
  return /dark/.test(scheme) && (!/light/.test(scheme) || system.matches);
};

class Quiz {
  #host; #root; #quiz; #answers = {}; #at = -1; #box; #status; #busy = false; #attempt = "";

  constructor(host) {
    this.#host = host;
    this.#root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
    this.#root.adoptedStyleSheets = [sheet];
    this.#root.innerHTML = html('<div class="rq"><div class="quiz card" part="card" aria-busy="true"></div><p class="sr" role="status"></p></div>');
    [this.#box, this.#status] = this.#root.firstChild.children;
    this.#box.style.minHeight = "342px";
    for (const type of ["submit", "click", "change"]) this.#root.addEventListener(type, this);
    // The page's hot keys must not act on what is typed in the quiz.
    for (const type of ["keydown", "keypress", "keyup"]) this.#root.addEventListener(type, (event) => event.stopPropagation());
    this.paint();
    system.addEventListener("change", this.paint);
    const watcher = new MutationObserver(this.paint); // Themes switch by a class or an attribute of the page.
    for (const node of [document.documentElement, document.body]) watcher.observe(node, { attributes: true });
  }

  paint = () => this.#host.toggleAttribute("data-dark", isDark(this.#host));

  /** Apply a changed attribute of the element. */
  changed(name) { return name === "theme" ? this.paint() : this.open(); }

  /** Show the link that the page has inside the element, or our own, after an error that should not happen. */
  giveUp() {
    this.#offline(() => this.open());
    if (this.#host.firstElementChild) this.#root.innerHTML = html("<slot>");
  }

  get #key() { return `rq:${this.#host.getAttribute("shop")}:${this.#host.getAttribute("quiz")}`; }
  get #api() { return this.#host.getAttribute("api") ?? `${base}v1/shops/${this.#host.getAttribute("shop")}/quizzes/${this.#host.getAttribute("quiz")}`; }
  get #locale() { return this.#host.getAttribute("locale") || navigator.language || ""; }
  get #mode() { return this.#host.getAttribute("mode"); }
  get #dialog() { return this.#root.querySelector("dialog"); }

  async open() {
    this.#skeleton();
    try {
      await style();
      const answer = await fetch(`${this.#api}?locale=${encodeURIComponent(this.#locale)}`);
      if (!answer.ok) throw answer;
      this.#quiz = await answer.json();
    } catch { return this.#offline(() => this.open()); }
    this.#host.lang = this.#quiz.locale;
    this.#root.firstChild.dir = this.#quiz.dir;
    this.#count("seen");
    const kept = this.#kept();
    const here = kept?.path === location.pathname; // On another page, nothing opens by itself.
    if (here && kept.result && await this.#restored(kept)) return undefined;
    if (!kept?.answers || (this.#mode === "modal" && (kept.closed || !here))) return this.#intro();
    if (this.#mode === "modal") this.#modal();
    this.#answers = kept.answers;
    this.#at = kept.at;
    return this.#draw(false);
  }

  /** Show the result again after a reload. Its code is kept, never the answers. */
  async #restored({ result, visit }) {
    try {
      const answer = await fetch(`${this.#api}/results/${encodeURIComponent(result)}?html=1&locale=${encodeURIComponent(this.#locale)}`);
      if (!answer.ok) throw answer;
      const { html: markup } = await answer.json();
      this.#visit = visit;
      if (this.#mode === "modal") this.#modal();
      this.#showResult(markup, false);
      return true;
    } catch { this.#forget(); return false; }
  }

  // Progress is stored in this tab only, from the start of the quiz until its end or until the tab closes.
  #kept() {
    try {
      const kept = JSON.parse(sessionStorage.getItem(this.#key));
      return kept && (kept.result || (kept.version === this.#quiz.version && kept.at >= 0)) ? kept : null;
    } catch { return null; }
  }

  #keep(data = { version: this.#quiz.version, at: this.#at, answers: this.#answers }) {
    try { sessionStorage.setItem(this.#key, JSON.stringify({ path: location.pathname, ...data })); } catch { /* Private windows may refuse to store anything. */ }
  }

  #forget() {
    try { sessionStorage.removeItem(this.#key); } catch { /* Nothing was stored. */ }
  }

  #tell(name, detail = {}) {
    return this.#host.dispatchEvent(new CustomEvent(`recovery-quiz:${name}`, { bubbles: true, composed: true, cancelable: true, detail }));
  }

  #counted = new Set();

  // Counts each event once per page view. An event about a product is also counted once without it, which gives the number of people.
  #count(event, more = {}) {
    if (this.#host.hasAttribute("api")) return; // A preview of a draft is not counted.
    const { quiz, version, locale } = this.#quiz;
    const events = (more.sku ? [{}, more] : [more]).map((item) => ({ event, quiz, version, locale, ...item }));
    const news = events.filter((item) => !this.#counted.has(JSON.stringify(item)));
    for (const item of news) this.#counted.add(JSON.stringify(item));
    if (!news.length) return;
    const body = JSON.stringify({ events: news });
    navigator.sendBeacon?.(`${base}v1/shops/${this.#quiz.shop}/events`, new Blob([body], { type: "text/plain" }));
  }

  // Views ------------------------------------------------------------------------------------------------

  #show(markup, focus = true) {
    this.#box.removeAttribute("aria-busy");
    this.#box.innerHTML = html(markup);
    const title = this.#box.querySelector("[data-title]");
    if (focus && title) title.focus({ preventScroll: true });
    if (focus && this.#root.firstChild.getBoundingClientRect().top < 0) this.#host.scrollIntoView({ block: "start" });
  }

  #skeleton() {
    const bones = '<div class="bone"></div>'.repeat(4);
    this.#box.innerHTML = html(`<div class="body"><div class="opts" aria-hidden="true">${bones}</div></div>`);
  }

  #intro() {
    const { intro, strings } = this.#quiz;
    const button = `<button class="btn" part="button" data-start>${esc(intro.button || strings.next)}</button>`;
    if (this.#mode === "button" || this.#mode === "modal") {
      this.#box.className = "quiz";
      this.#box.style.minHeight = "";
      return this.#show(button, false);
    }
    return this.#show(`<div class="intro ${intro.image ? "art" : ""}"><div>
      <p class="eyebrow">${esc(intro.eyebrow)}</p><h2>${esc(intro.title)}</h2><p>${esc(intro.text)}</p>${button}
      <p class="small soft">${esc(intro.note)}</p></div>${intro.image ? `<img src="${esc(intro.image)}" alt="" width="640" height="330">` : ""}</div>`, false);
  }

  #start() {
    if (this.#mode === "modal" && !this.#dialog) this.#modal();
    else this.#box.className = "quiz card";
    const kept = this.#kept();  // A dialog that was closed on the way continues where it was.
    this.#answers = kept?.answers ?? {};
    this.#at = kept?.at ?? 0;
    this.#count("started");
    this.#tell("started");
    this.#draw();
  }

  #modal() {
    const dialog = document.createElement("dialog");
    const opener = this.#box;
    const box = opener.cloneNode();
    box.className = "quiz card";
    dialog.setAttribute("aria-label", this.#quiz.title);
    dialog.append(box);
    opener.after(dialog);
    this.#box = box;
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
    const back = () => dialog.close(); // For the back gesture, which then leaves the page where it is.
    if (!history.state?.recoveryQuiz) history.pushState({ ...history.state, recoveryQuiz: true }, "");
    addEventListener("popstate", back);
    dialog.addEventListener("close", () => {
      removeEventListener("popstate", back);
      if (history.state?.recoveryQuiz) history.back();
      const kept = this.#kept();
      if (kept?.result) this.#forget();
      else if (kept) this.#keep({ ...kept, closed: true });
      this.#box = opener;
      dialog.remove();
      this.#tell("closed");
      this.#intro();
      opener.querySelector("button").focus();
    });
    dialog.showModal();
  }

  /** The questions asked so far, as the server would ask them: without hidden ones, up to an early end. */
  #path() {
    const chosen = {};
    const asked = [];
    for (const question of this.#quiz.questions) {
      if (question.show_if && !holds(question.show_if, chosen)) continue;
      asked.push(question);
      const given = this.#answers[question.id];
      if (given) chosen[question.id] = given.length ? given : ["skipped"];
      if (given && this.#quiz.stop_if.some((stop) => holds(stop, chosen))) return { asked, ends: true };
    }
    return { asked, ends: false };
  }

  #draw(focus = true) {
    const { asked } = this.#path();
    const question = asked[Math.min(this.#at, asked.length - 1)];
    this.#at = asked.indexOf(question);
    const w = this.#quiz.strings;
    const given = this.#answers[question.id] || [];
    const [n, total] = [this.#at + 1, asked.length];
    const fill = (text) => esc(text.replace("{n}", n).replace("{total}", total));
    const many = question.kind === "multi";
    const help = question.help || (many ? (question.max < question.options.length ? w.choose_up_to[question.max] : w.choose_many) : "");
    this.#show(`<form novalidate><progress class="bar" value="${n}" max="${total}" aria-label="${fill(w.progress)}"></progress>
      <div class="top"><button class="btn text" type="button" data-back>${icon("M14.5 5.5 8 12l6.5 6.5", "flip")}${esc(w.back)}</button>
      ${this.#dialog ? `<button class="btn text" type="button" data-close>${esc(w.close)}</button>` : `<span>${fill(w.of)}</span>`}</div>
      <div class="body"><fieldset aria-describedby="help"><legend><h2 tabindex="-1" data-title>${esc(question.text)}</h2></legend>
      <p class="hint" id="help">${esc(help)}</p>${question.kind === "scale" ? this.#scale(question, given) : this.#options(question, given)}
      <p class="state bad err" role="alert"></p></fieldset>
      ${question.note ? `<p class="note">${icon(alarm)}<span>${esc(question.note)}</span></p>` : ""}
      <div class="foot">${question.optional ? `<button class="btn text" type="button" data-skip>${esc(w.skip)}</button>` : `<span class="small soft" data-chosen role="status"></span>`}
      <button class="btn" part="button">${esc(w.next)}</button></div></div></form>`, focus);
    this.#box.querySelectorAll(".scale label").forEach((label, i) => label.style.setProperty("--n", (i * 10) / (question.to - question.from)));
    this.#keep();
  }

  #options(question, given) {
    const type = question.kind === "multi" ? "checkbox" : "radio";
    const row = ({ id, text, help }) => `<label class="opt" part="option"><input class="tick" type="${type}" name="o" value="${id}" ${given.includes(id) ? "checked" : ""}>
      <span>${esc(text)}${help ? `<small>${esc(help)}</small>` : ""}</span></label>`;
    const rows = (only) => question.options.filter((option) => option.only === only).map(row).join("");
    return `<div class="opts">${rows(false)}${rows(true) && `<div class="apart">${rows(true)}</div>`}</div>`;
  }

  #scale(question, given) {
    const points = Array.from({ length: question.to - question.from + 1 }, (_, i) => String(question.from + i));
    const word = (point) => esc(question.point_labels[point - question.from]);
    return `<div class="scale">${points.map((p) => `<label><input type="radio" name="o" value="${p}" ${given.includes(p) ? "checked" : ""}>${p}</label>`).join("")}</div>
      <p class="ends"><span>${question.from} · ${esc(question.low)}</span><span>${question.to} · ${esc(question.high)}</span></p>
      ${question.point_labels.length ? `<p class="read" role="status" data-read>${given[0] ? `<b>${given[0]}</b><span>${word(given[0])}</span>` : ""}</p>` : ""}`;
  }

  // Events -----------------------------------------------------------------------------------------------

  handleEvent(event) {
    try { return this.#handle(event); } catch (error) { this.giveUp(); throw error; }
  }

  #handle(event) {
    const { target } = event;
    if (event.type === "change") return this.#changed(target);
    if (event.type === "submit") {
      if (target.dataset.add) return this.#add(event, target.dataset.add);
      event.preventDefault();
      return target.dataset.email === undefined ? this.#next() : this.#email(target);
    }
    const product = target.closest("[data-sku]");
    if (product && target.closest("a, button, summary")) this.#count("product_clicked", { sku: product.dataset.sku });
    const button = target.closest("button");
    const does = button?.dataset ?? {};
    // The second click of a double click would answer the question that has just appeared.
    if (event.detail > 1 && button && ("skip" in does || button.matches(".foot .btn"))) return event.preventDefault();
    if ("start" in does) return this.#start();
    if ("back" in does) return this.#back();
    if ("skip" in does) return this.#next([]);
    if ("change" in does) { this.#forget(); this.#at = 0; this.#box.classList.add("card"); return this.#draw(); }
    if ("again" in does) return this.#retry();
    if ("close" in does) return this.#dialog.close();
    if ("print" in does) return print();
    if ("copy" in does) return this.#copy(button);
    if (does.add) return this.#add(event, does.add);
    return undefined;
  }

  #changed(input) {
    if (input.name !== "o") return;
    const { asked } = this.#path();
    const question = asked[this.#at];
    const alone = (id) => question.options.find((option) => option.id === id)?.only;
    if (question.kind === "multi" && input.checked) {
      for (const other of this.#box.querySelectorAll("[name=o]")) {
        if (other !== input && (alone(input.value) || alone(other.value))) other.checked = false;
      }
    }
    const read = this.#box.querySelector("[data-read]");
    if (read) read.innerHTML = html(`<b>${input.value}</b><span>${esc(question.point_labels[input.value - question.from])}</span>`);
    const count = this.#box.querySelectorAll(":checked").length;
    const status = this.#box.querySelector("[data-chosen]");
    if (status && question.kind === "multi") status.textContent = this.#quiz.strings.chosen[count];
    this.#box.querySelector(".err").textContent = "";
  }

  #next(given = [...this.#box.querySelectorAll(":checked")].map((input) => input.value)) {
    if (this.#busy) return;
    const question = this.#path().asked[this.#at];
    const w = this.#quiz.strings;
    const alone = question.options.some((option) => option.only && given.includes(option.id));
    let wrong = "";
    if (!given.length) wrong = question.optional ? "" : question.max > 1 && question.min > 1 ? w.need_some : w.need_one;
    else if (!alone && given.length < question.min) wrong = w.need_some;
    else if (given.length > question.max) wrong = w.need_fewer;
    if (wrong) {
      const limit = given.length > question.max ? question.max : question.min;
      this.#box.querySelector(".err").innerHTML = html(icon(alarm) + esc(Array.isArray(wrong) ? wrong[limit] : wrong));
      this.#box.querySelector("input").focus();
      return;
    }
    this.#answers[question.id] = given;
    this.#count("answered", { question: question.id });
    this.#tell("answered", { question: question.id });
    const { asked, ends } = this.#path();
    if (ends || this.#at >= asked.length - 1) this.#finish();
    else { this.#at += 1; this.#draw(); }
  }

  #back() {
    if (this.#busy) return undefined;
    if (this.#at > 0) { this.#at -= 1; return this.#draw(); }
    this.#at = -1;
    this.#forget();
    return this.#dialog ? this.#dialog.close() : this.#intro();
  }

  // One request at a time; a repeat after a lost answer has the same key, so that it is stored once.
  async #finish() {
    if (this.#busy) return;
    this.#busy = true;
    this.#attempt ||= crypto.getRandomValues(new BigUint64Array(2)).join("-").padStart(16, "0");
    try { await this.#submit(); } finally { this.#busy = false; }
  }

  async #submit() {
    this.#keep();
    const w = this.#quiz.strings;
    const answers = {};
    for (const question of this.#path().asked) if (this.#answers[question.id]?.length) answers[question.id] = this.#answers[question.id];
    this.#status.textContent = w.working;
    this.#box.setAttribute("aria-busy", "true");
    const body = { answers, version: this.#quiz.version, locale: this.#quiz.locale, product: this.#host.getAttribute("product") || null };
    let answer;
    try {
      answer = await fetch(`${this.#api}/responses?html=1&attempt=${this.#attempt}`, { method: "POST", headers: { "content-type": "text/plain" }, body: JSON.stringify(body) });
      if (answer.status === 409 || answer.status === 422) { this.#attempt = ""; return this.#updated(); }
      if (!answer.ok) throw answer;
      answer = await answer.json();
    } catch { return this.#offline(() => this.#finish()); }
    this.#status.textContent = "";
    this.#attempt = "";
    this.#visit = answer.visit;
    // In place of the answers, the code of the result stays in this tab, so that a reload shows it again.
    if (this.#host.hasAttribute("api")) this.#forget();
    else this.#keep({ result: answer.result.code, visit: answer.visit });
    this.#showResult(answer.html);
    this.#count("completed");
    // The surrounding page runs third-party scripts, so it gets the link to the result and the answers only on request.
    const { shop, quiz, version, locale, outcome, products } = answer.result;
    const shown = products.map(({ sku, name, form, slot, match, price, in_stock }) => ({ sku, name, form, slot, match, price, in_stock }));
    const result = this.#host.hasAttribute("result-link") ? answer.result : { shop, quiz, version, locale, outcome, products: shown };
    return this.#tell("completed", { result, visit: answer.visit });
  }

  #visit;

  #showResult(markup, focus = true) {
    this.#box.classList.remove("card");
    this.#box.style.minHeight = "";
    const close = this.#dialog ? `<p class="shut"><button class="btn quiet" type="button" data-close>${esc(this.#quiz.strings.close)}</button></p>` : "";
    this.#show(close + markup, focus);
  }

  /** The quiz has changed in the meantime: keep the answers that still fit, and go through the questions again. */
  async #updated() {
    const kept = this.#answers;
    try { this.#quiz = await (await fetch(`${this.#api}?locale=${this.#locale}&now=${Date.now()}`)).json(); } catch { return this.#offline(() => this.#updated()); }
    this.#answers = {};
    for (const question of this.#quiz.questions) {
      const ids = question.kind === "scale" ? null : question.options.map((option) => option.id);
      const still = kept[question.id]?.filter((id) => !ids || ids.includes(id));
      if (still?.length) this.#answers[question.id] = still;
    }
    this.#at = 0;
    this.#draw();
    this.#status.textContent = this.#quiz.strings.updated;
    return undefined;
  }

  #retry = () => {};

  #offline(again) {
    this.#retry = again;
    const w = this.#quiz?.strings ?? {
      offline_title: "We can't reach the quiz right now", offline_text: "Check your connection and try again.",
      offline_plain: "The basic page works without JavaScript.", try_again: "Try again",
    };
    this.#show(`<div class="body" role="alert"><h2 tabindex="-1" data-title>${esc(w.offline_title)}</h2><p class="hint">${esc(w.offline_text)}</p>
      <p class="small"><a href="${base}${this.#host.getAttribute("shop")}/quiz/${this.#host.getAttribute("quiz")}">${esc(w.offline_plain)}</a></p><div class="foot"><button class="btn" data-again>${esc(w.try_again)}</button></div></div>`, false);
  }

  #add(event, sku) {
    this.#count("added_to_cart", { sku });
    const { dataset, elements } = event.target.closest("form") ?? event.target;
    const field = [...(elements ?? [])].find((item) => "visit" in item.dataset);
    if (field) field.value = this.#visit ?? "";
    let put; // The page's promise, if it has one; the message of its rejection is shown.
    const until = (promise) => { put = promise; };
    if (!this.#tell("add-to-cart", { sku, visit: this.#visit, variant: dataset.variant, until })) {
      event.preventDefault();
      const buy = event.target.closest(".buy");
      buy.querySelector(".err")?.remove();
      Promise.resolve(put).then(() => { this.#status.textContent = this.#quiz.strings.added; },
        (error) => buy.insertAdjacentHTML("beforeend", html(`<p class="err" role="alert">${esc(error.message)}</p>`)));
    }
  }

  async #copy(button) {
    const field = this.#box.querySelector(".copy .field");
    field.select();
    try { await navigator.clipboard.writeText(field.value); } catch { document.execCommand("copy"); }
    button.textContent = this.#status.textContent = this.#quiz.strings.copied;
  }

  async #email(form) {
    const status = form.querySelector("[role=status]");
    const w = this.#quiz.strings;
    const on = (name) => form.elements[name].checked;
    const email = form.elements.email;
    if (!email.checkValidity() || !on("result")) { status.textContent = w.mail_need; return email.focus(); }
    const consents = { result: true, marketing: on("marketing"), health_data: on("health_data") };
    const body = JSON.stringify({ email: email.value, consents, text_version: `widget ${this.#quiz.version}`, locale: this.#quiz.locale, timezone: Intl.DateTimeFormat().resolvedOptions().timeZone || "" });
    try {
      const answer = await fetch(form.action, { method: "POST", headers: { "content-type": "text/plain" }, body });
      status.textContent = answer.ok ? w.mail_done : (await answer.json()).detail;
    } catch { status.textContent = w.offline_title; }
    return undefined;
  }
}

/** Put the quiz into an element. An error leaves the link that the page has inside the element. */
export async function mount(host) {
  const quiz = new Quiz(host);
  try { await quiz.open(); } catch { quiz.giveUp(); }
  return quiz;
}
