// Enhancements of the console: saves forms as they are filled in, refreshes the checks, sorts lists. Every page works without scripts.
const token = () => document.querySelector("input[name=csrf_token]")?.value ?? "";
const ask = (url, options = {}) => fetch(url, { ...options, headers: { "X-Console": "1", ...options.headers }, credentials: "same-origin" });
const later = (wait, does) => { let timer; return (...args) => { clearTimeout(timer); timer = setTimeout(() => does(...args), wait); }; };

// Checks ------------------------------------------------------------------------------------------------

let asking = false, again = false;
async function check() {
  const panel = document.getElementById("panel"), bar = document.getElementById("state");
  if (!bar) return;
  if (asking) { again = true; return; }
  asking = true;
  try {
    const answer = await ask(bar.dataset.check);
    if (!answer.ok) return;
    const data = await answer.json();
    if (panel) panel.innerHTML = data.panel;
    bar.innerHTML = data.bar;
    if (data.state === "waiting" || data.state === "running") setTimeout(check, 700);
    else { document.dispatchEvent(new CustomEvent("console:checked", { detail: data })); if (document.querySelector("[data-reload]")) location.reload(); }
  } catch { /* The server is unreachable; the next change retries. */ } finally {
    asking = false;
    if (again) { again = false; check(); }
  }
}
const checkSoon = later(300, check);
if (document.querySelector("#panel[data-stale], #state[data-stale]")) check();

// Polls background work until it is done, without touching the forms next to it.
async function lookAgain() {
  const old = document.querySelector("[data-again]");
  if (!old) return;
  try {
    const answer = await fetch(location.href, { credentials: "same-origin" });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(old.parentElement.id)?.firstElementChild;
    if (fresh && !fresh.hasAttribute("data-again")) { location.reload(); return; }
    if (fresh) old.replaceWith(fresh);
  } catch { /* The server is unreachable; the next poll retries. */ }
  setTimeout(lookAgain, 1500);
}
setTimeout(lookAgain, 1500);

// Saving ------------------------------------------------------------------------------------------------

const saved = (form, text, bad = false) => {
  const spot = form.querySelector("[data-saved]");
  if (spot) { spot.textContent = text; spot.classList.toggle("bad", bad); }
};
const keep = (form) => { try { localStorage.setItem(`draft ${form.action}`, JSON.stringify([...new FormData(form)].filter(([name]) => name !== "csrf_token" && name !== "seen"))); } catch { /* Storage is full: the page still has it. */ } };
const forget = (action) => { try { localStorage.removeItem(`draft ${action}`); } catch { /* Nothing was stored. */ } };

async function save(form) {
  if (form.dataset.saving) { form.dataset.more = "1"; return; }
  waiting.delete(form);
  form.dataset.saving = "1";
  const action = form.action;
  saved(form, "Saving…");
  let answer, data = {};
  try {
    const body = new FormData(form);
    body.set("do", "save");
    answer = await ask(action, { method: "POST", body });
    data = await answer.json();
  } catch { answer = null; }
  delete form.dataset.saving;
  if (!answer) { keep(form); saved(form, "Not saved: the server cannot be reached. Your changes are kept in this browser and retried with your next edit.", true); return; }
  if (answer.status === 409 && data.html) { conflict(form, data); return; }
  if (!answer.ok) { keep(form); saved(form, data.detail || "Not saved. Try again.", true); return; }
  forget(action);
  form.elements.seen.value = data.seen ?? "";
  if (data.action) form.action = data.action;
  saved(form, "Saved to the draft.");
  form.dispatchEvent(new CustomEvent("console:saved", { bubbles: true, detail: data }));
  checkSoon();
  if (form.dataset.more) { delete form.dataset.more; save(form); }
}
function conflict(form, data) {
  form.querySelector("[data-conflict]")?.remove();
  form.insertAdjacentHTML("beforebegin", data.html);
  form.hidden = true;
  form.previousElementSibling.querySelector("button").focus();
}
const waiting = new Set();
const saveNow = later(600, (form) => { waiting.delete(form); save(form); });
const saveSoon = (form) => {
  for (const other of waiting) if (other !== form) { waiting.delete(other); save(other); }
  waiting.add(form);
  saved(form, "Saving…");
  saveNow(form);
};
// If the page is left just before a save, the form is still saved. During another save, it is stored locally and offered again.
addEventListener("pagehide", () => {
  for (const form of waiting) {
    if (form.dataset.saving || !navigator.sendBeacon(form.action, new FormData(form))) keep(form);
  }
  waiting.clear();
});
const complete = (form) => !("editor" in form.dataset && form.dataset.editor === "new") || (form.elements.target.value.trim() !== "");
document.addEventListener("input", (event) => {
  const form = event.target.closest("form[data-autosave]");
  if (form && event.target.name && complete(form)) saveSoon(form);
});
document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-autosave]");
  if (form && event.target.name && complete(form)) saveSoon(form);
});
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.submitter?.dataset.once !== undefined) {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "1";
    setTimeout(() => { event.submitter.disabled = true; });
  }
  if (event.submitter?.dataset.done !== undefined && form.dataset.autosave !== undefined && form.dataset.editor !== "new") {
    event.preventDefault();
    save(form).then(() => document.dispatchEvent(new CustomEvent("console:done", { detail: form })));
  }
});
for (const form of document.querySelectorAll("form[data-autosave]")) restore(form);
export function restore(form) {
  let kept;
  try { kept = JSON.parse(localStorage.getItem(`draft ${form.action}`)); } catch { kept = null; }
  if (!kept) return;
  const line = document.createElement("p");
  line.className = "message";
  line.innerHTML = '<span>This form has unsaved changes.</span><span class="acts"><button class="btn" type="button">Restore</button><button class="btn quiet" type="button">Discard</button></span>';
  const [back, drop] = line.querySelectorAll("button");
  back.onclick = () => {
    for (const [name, value] of kept) {
      const field = form.elements[name];
      if (field instanceof RadioNodeList) field.value = value;
      else if (field && field.type !== "hidden") field.value = value;
    }
    line.remove();
    save(form);
  };
  drop.onclick = () => { forget(form.action); line.remove(); };
  form.prepend(line);
}

// Filters, bulk, lists ----------------------------------------------------------------------------------

for (const form of document.querySelectorAll("form[data-filter]")) {
  form.querySelector("[data-plain]")?.setAttribute("hidden", "");
  const send = later(350, () => form.requestSubmit());
  form.addEventListener("change", () => form.requestSubmit());
  form.addEventListener("input", (event) => event.target.type === "search" && send());
  form.addEventListener("submit", () => { for (const field of form.elements) if (field.name && !field.value) field.disabled = true; });
}
const bulk = document.getElementById("bulk");
if (bulk) {
  const ticks = () => [...document.querySelectorAll("[name=row][form=bulk]")];
  const count = () => {
    const many = ticks().filter((tick) => tick.checked).length;
    bulk.hidden = !many;
    bulk.querySelector("[data-chosen]").textContent = `${many} ${many === 1 ? "row" : "rows"} selected`;
  };
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-all]")) for (const tick of ticks()) tick.checked = event.target.checked;
    if (event.target.matches("[data-all], [name=row]")) count();
  });
  count();
}

/** Sortable lists: by dragging, and with the two buttons, which also work by keyboard. */
const renumber = (list) => {
  [...list.children].forEach((item, at) => { for (const field of item.querySelectorAll("[data-order]")) field.value = at + 1; });
  list.dispatchEvent(new Event("change", { bubbles: true }));
  const form = list.closest("form");
  if (form && form.dataset.autosave !== undefined) saveSoon(form);
};
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-move]");
  if (button) {
    const item = button.closest("[data-item]");
    const other = button.dataset.move === "up" ? item.previousElementSibling : item.nextElementSibling;
    if (!other || button.type === "submit") return;
    if (button.dataset.move === "up") other.before(item); else other.after(item);
    renumber(item.parentElement);
    button.focus();
  }
  const gone = event.target.closest("[data-remove]");
  if (gone) {
    const item = gone.closest("[data-item]"), list = item.parentElement;
    item.remove();
    renumber(list);
  }
  const add = event.target.closest("[data-add]");
  if (add) {
    const box = add.closest("[data-rows]"), list = box.querySelector("[data-list]");
    const next = 1 + Math.max(-1, ...[...list.children].map((item) => Number(item.dataset.item)));
    list.insertAdjacentHTML("beforeend", box.querySelector("template").innerHTML.replaceAll("__n__", next));
    const fresh = list.lastElementChild;
    fresh.querySelector("[data-order]") && (fresh.querySelector("[data-order]").value = list.children.length);
    fresh.querySelector("input:not([type=hidden]), textarea, select")?.focus();
  }
  const use = event.target.closest("[data-use]");
  if (use) {
    const field = use.closest(".field")?.querySelector("input, textarea");
    if (field) { field.value = field.value.replaceAll(use.dataset.for, use.dataset.use); field.dispatchEvent(new Event("input", { bubbles: true })); }
  }
});
let dragged;
document.addEventListener("dragstart", (event) => { dragged = event.target.closest?.("[data-item][draggable]"); });
document.addEventListener("dragover", (event) => {
  const over = event.target.closest?.("[data-item][draggable]");
  if (!dragged || !over || over.parentElement !== dragged.parentElement) return;
  event.preventDefault();
  for (const item of over.parentElement.children) item.classList.toggle("over", item === over);
});
document.addEventListener("drop", (event) => {
  const over = event.target.closest?.("[data-item][draggable]");
  if (!dragged || !over || over === dragged || over.parentElement !== dragged.parentElement) return;
  event.preventDefault();
  over.classList.remove("over");
  if (dragged.compareDocumentPosition(over) & Node.DOCUMENT_POSITION_FOLLOWING) over.after(dragged); else over.before(dragged);
  const list = dragged.parentElement;
  if (list.dataset.reorder) {
    const body = new FormData();
    body.set("csrf_token", token());
    body.set("record", dragged.dataset.item);
    body.set("follows", dragged.previousElementSibling?.dataset.item ?? "");
    ask(list.dataset.reorder, { method: "POST", body }).then((answer) => (answer.ok ? checkSoon() : location.reload()));
  } else renumber(list);
  dragged = null;
});

// Previews ----------------------------------------------------------------------------------------------

const preview = later(400, async (field) => {
  const spot = document.getElementById(field.dataset.preview);
  const body = new FormData();
  body.set("csrf_token", token());
  body.set("text", field.value);
  const answer = await ask(spot.dataset.url, { method: "POST", body });
  if (answer.ok) spot.innerHTML = (await answer.json()).html;
});
document.addEventListener("input", (event) => event.target.dataset?.preview && preview(event.target));
for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = "Copied";
  });
}
