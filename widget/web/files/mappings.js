// The mapping table: editors open in place, and targets are picked from lists. The text field stays next to them.
const names = JSON.parse(document.getElementById("names").textContent);
const esc = (text) => String(text ?? "").replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
const cross = '<svg class="i" viewBox="0 0 16 16" aria-hidden="true"><path d="m4 4 8 8M12 4l-8 8"/></svg>';
const root = location.pathname.replace(/\/mappings.*/, "/mappings");

// Targets -----------------------------------------------------------------------------------------------

const quoted = (value) => (/[|;&]/.test(value) ? `"${value}"` : value);
const targets = (text) => text.split(";").map((part) => part.trim()).filter(Boolean).flatMap((part) => {
  const [kind, rest] = part.split(/:(.*)/s);
  return rest === undefined ? [[kind, null]] : rest.split("|").map((value) => [kind.trim(), value.trim().replace(/^"|"$/g, "")]);
});
const wording = ([kind, value]) => (value === null ? "every product" : (kind === "sku" ? names.products[value] : kind === "tip" ? names.tips[value] : null) ?? value);
function writeTargets(list) {
  const kinds = new Map();
  for (const [kind, value] of list) kinds.set(kind, [...(kinds.get(kind) ?? []), value]);
  return [...kinds].map(([kind, values]) => (values[0] === null ? kind : `${kind}:${values.map(quoted).join("|")}`)).join("; ");
}
function drawTargets(form) {
  const box = form.querySelector("[data-targets]"), text = form.elements.target;
  if (text.value.includes('"')) { box.hidden = true; return; }
  const chosen = targets(text.value), tips = chosen.some(([kind]) => kind === "tip");
  const groups = Object.entries(names.known).filter(([kind]) => !chosen.length || (kind === "tip") === tips);
  const option = (kind, value) => `<option value="${esc(kind)}:${esc(value)}">${esc(wording([kind, value]))}</option>`;
  box.hidden = false;
  box.innerHTML = `<span class="tokens">${chosen.map((item, at) => `<span class="chip full"><small>${item[1] === null ? "" : esc(item[0])}</small> ${esc(wording(item))}<button type="button" data-out="${at}" aria-label="Remove ${esc(wording(item))}">${cross}</button></span>`).join("")}
    <select aria-label="Add a target" data-into><option value="">Add…</option>${groups.map(([kind, values]) => (values.length ? `<optgroup label="${esc({ sku: "Product", form: "Form", tag: "Tag", contains: "Contains", allergen: "Allergen", collection: "Collection", tip: "Tip" }[kind] ?? kind)}">${values.map((value) => option(kind, value)).join("")}</optgroup>` : "")).join("")}${tips ? "" : '<option value="all">Every product</option>'}</select></span>`;
}
function changeTarget(form, event) {
  const chosen = targets(form.elements.target.value), { target } = event;
  const out = target.closest("[data-out]");
  if (out) chosen.splice(Number(out.dataset.out), 1);
  else if (target.matches("[data-into]") && target.value) {
    const [kind, value] = target.value.split(/:(.*)/s);
    chosen.push([kind, value ?? null]);
  } else return;
  form.elements.target.value = writeTargets(chosen);
  drawTargets(form);
  form.elements.target.dispatchEvent(new Event("input", { bubbles: true }));
}

// Editors -----------------------------------------------------------------------------------------------

function fit(form) {
  const effect = form.elements.effect.value;
  form.querySelector("[data-weight]").hidden = effect !== "boost";
  form.querySelector("[data-reason]").hidden = effect !== "boost" && effect !== "pin";
}
function dress(form) {
  drawTargets(form);
  fit(form);
  form.addEventListener("change", (event) => { if (event.target.closest("[data-targets]")) changeTarget(form, event); if (event.target.name === "effect") fit(form); if (event.target.name === "target") drawTargets(form); });
  form.addEventListener("click", (event) => { if (event.target.closest("[data-targets] button")) changeTarget(form, event); });
  form.addEventListener("console:saved", (event) => {
    const { row, id, sentence } = event.detail;
    const editor = form.closest("tr");
    if (form.dataset.editor === "new") { location.assign(`${root}?row=${encodeURIComponent(id)}#row-${encodeURIComponent(id)}`); return; }
    editor.previousElementSibling.outerHTML = row;
    form.querySelector("[data-sentence]").textContent = sentence;
  });
}
const close = (form) => {
  const editor = form?.closest("tr.editor"), row = editor?.previousElementSibling;
  if (!editor) return;
  row?.classList.remove("open");
  const button = row?.querySelector("[data-open]");
  button?.setAttribute("aria-expanded", "false");
  editor.remove();
  button?.focus();
};
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-open]");
  if (!button || event.metaKey || event.ctrlKey) return;
  const name = button.dataset.open, row = document.getElementById(`row-${name}`);
  if (!document.querySelector(".sheet tbody")) return;
  event.preventDefault();
  if (button.getAttribute("aria-expanded") === "true") { close(row.nextElementSibling.querySelector("form")); return; }
  const answer = await fetch(`${root}/rows/${encodeURIComponent(name)}`, { credentials: "same-origin" });
  if (!answer.ok || answer.redirected) { location.assign(button.href); return; }
  const html = `<tr role="row" class="editor"><td role="cell" colspan="9">${await answer.text()}</td></tr>`;
  if (name === "new") document.querySelector(".sheet tbody").insertAdjacentHTML("afterbegin", html);
  else { row.insertAdjacentHTML("afterend", html); row.classList.add("open"); button.setAttribute("aria-expanded", "true"); }
  const form = (name === "new" ? document.querySelector(".sheet tbody") : row.nextElementSibling.parentElement).querySelector(`form[data-editor="${CSS.escape(name)}"]`);
  dress(form);
  await null; // The condition pickers are added in the next microtask.
  form.querySelector("select, input:not([type=hidden])").focus();
});
document.addEventListener("console:checked", (event) => {
  for (const row of document.querySelectorAll("[data-row]:not(.gone)")) {
    const data = event.detail.rows[row.dataset.row];
    if (data) row.querySelectorAll(".touch").forEach((cell, at) => { cell.textContent = data[at]; });
  }
});
document.addEventListener("console:done", (event) => close(event.detail));
document.addEventListener("keydown", (event) => { if (event.key === "Escape") close(event.target.closest?.("form[data-editor]")); });
for (const form of document.querySelectorAll("form[data-editor]")) dress(form);
