// The mapping table: editors open in place, conditions and targets are picked from lists; the text form stays beside.
const names = JSON.parse(document.getElementById("names").textContent);
const esc = (text) => String(text ?? "").replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
const cross = '<svg class="i" viewBox="0 0 16 16" aria-hidden="true"><path d="m4 4 8 8M12 4l-8 8"/></svg>';
const root = location.pathname.replace(/\/mappings.*/, "/mappings");
const pick = (label, value, options, more = "") => `<select aria-label="${label}" ${more}>${options.map(([id, text]) => `<option value="${esc(id)}"${id === value ? " selected" : ""}>${esc(text)}</option>`).join("")}</select>`;

// Conditions --------------------------------------------------------------------------------------------

const NUMBERS = [[">=", "is at least"], ["<=", "is at most"], [">", "is more than"], ["<", "is less than"]];
const WORDS = [["=", "is any of"], ["!=", "is none of"]];

/** A condition as text to clauses of [question, operator, values, negated]; null where it is not of the plain form. */
function parse(text) {
  if (!text.trim()) return [];
  const clauses = [];
  for (const part of text.split(/\s+or\s+/)) {
    const clause = [];
    for (const term of part.split("&")) {
      const hit = /^\s*(not\s+)?([a-z0-9-]+)\s*(!=|>=|<=|>|<|=)\s*([^&<>=!]+?)\s*$/.exec(term);
      if (!hit) return null;
      clause.push([hit[2], hit[3], hit[4].split("|").map((each) => each.trim()), Boolean(hit[1])]);
    }
    clauses.push(clause);
  }
  return clauses;
}
const write = (clauses) => clauses.map((clause) => clause.map(([field, op, values, no]) => `${no ? "not " : ""}${field} ${op} ${values.join("|")}`).join(" & ")).join(" or ");

function drawTerms(form) {
  const box = form.querySelector("[data-terms]"), text = form.elements.when;
  const clauses = parse(text.value);
  box.hidden = false;
  if (clauses === null) { box.innerHTML = '<p class="soft">This condition is written by hand; edit it as text.</p>'; return; }
  const questions = Object.entries(names.questions).map(([id, each]) => [id, each.label]);
  let html = "";
  clauses.forEach((clause, c) => clause.forEach(([field, op, values, no], t) => {
    const question = names.questions[field] ?? { options: {}, kind: "single", label: field };
    const scale = question.kind === "scale";
    const joined = c + t === 0 ? "<span>if</span>" : pick("Joined by", t ? "and" : "or", [["and", "and"], ["or", "or"]], "data-join");
    const known = field in names.questions ? questions : [[field, field], ...questions];
    const options = { ...question.options, ...(question.optional ? { skipped: "skipped" } : {}) };
    const value = scale && op in { ">=": 1, "<=": 1, ">": 1, "<": 1 }
      ? pick("Value", values[0], Object.entries(question.options), "data-value")
      : `<span class="tokens">${values.filter(Boolean).map((v) => `<span class="chip full">${esc(options[v] ?? v)}<button type="button" data-drop="${esc(v)}" aria-label="Remove ${esc(options[v] ?? v)}">${cross}</button></span>`).join("")}${pick("Add an option", "", [["", "Add …"], ...Object.entries(options).filter(([id]) => !values.includes(id))], "data-more")}</span>`;
    html += `<div class="term" data-c="${c}" data-t="${t}">${joined}${pick("Question", field, known, "data-field")}${pick("Comparison", (no ? "not " : "") + op, [...(scale ? NUMBERS : []), ...WORDS, ...(no ? [["not " + op, "is not " + op]] : [])], "data-op")}${value}<button class="ico" type="button" data-less aria-label="Remove this comparison">${cross}</button></div>`;
  }));
  box.innerHTML = `${html}<div><button class="lnk" type="button" data-plus>${clauses.length ? "Add a comparison" : "Always. Add a comparison"}</button></div>`;
  box.clauses = clauses;
}
function changeTerm(form, event) {
  const box = form.querySelector("[data-terms]"), { clauses } = box, { target } = event;
  const at = target.closest(".term");
  const [c, t] = at ? [Number(at.dataset.c), Number(at.dataset.t)] : [0, 0];
  const term = at && clauses[c][t];
  if (target.matches("[data-field]")) {
    const question = names.questions[target.value];
    clauses[c][t] = question.kind === "scale" ? [target.value, ">=", [Object.keys(question.options)[0]], false] : [target.value, "=", [Object.keys(question.options)[0]], false];
  } else if (target.matches("[data-op]")) {
    [term[3], term[1]] = target.value.startsWith("not ") ? [true, target.value.slice(4)] : [false, target.value];
    if (NUMBERS.some(([op]) => op === term[1])) term[2] = [term[2][0]];
  } else if (target.matches("[data-value]")) term[2] = [target.value];
  else if (target.matches("[data-more]") && target.value) term[2] = [...term[2].filter(Boolean), target.value];
  else if (target.closest("[data-drop]")) { term[2] = term[2].filter((v) => v !== target.closest("[data-drop]").dataset.drop); if (!term[2].length) term[2] = [Object.keys(names.questions[term[0]]?.options ?? { none: 1 })[0]]; }
  else if (target.closest("[data-less]")) { clauses[c].splice(t, 1); if (!clauses[c].length) clauses.splice(c, 1); }
  else if (target.closest("[data-plus]")) {
    const [id, question] = Object.entries(names.questions)[0];
    if (!clauses.length) clauses.push([]);
    clauses.at(-1).push(question.kind === "scale" ? [id, ">=", ["0"], false] : [id, "=", [Object.keys(question.options)[0]], false]);
  } else if (target.matches("[data-join]")) {
    if (target.value === "or" && t) clauses.splice(c + 1, 0, clauses[c].splice(t));
    if (target.value === "and" && !t && c) clauses[c - 1].push(...clauses.splice(c, 1)[0]);
  } else return;
  form.elements.when.value = write(clauses);
  drawTerms(form);
  form.elements.when.dispatchEvent(new Event("input", { bubbles: true }));
}

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
  box.innerHTML = `<span class="tokens">${chosen.map((each, at) => `<span class="chip full"><small>${each[1] === null ? "" : esc(each[0])}</small> ${esc(wording(each))}<button type="button" data-out="${at}" aria-label="Remove ${esc(wording(each))}">${cross}</button></span>`).join("")}
    <select aria-label="Add a target" data-into><option value="">Add …</option>${groups.map(([kind, values]) => (values.length ? `<optgroup label="${esc({ sku: "Product", form: "Form", tag: "Tag", contains: "Contains", allergen: "Allergen", collection: "Collection", tip: "Tip" }[kind] ?? kind)}">${values.map((value) => option(kind, value)).join("")}</optgroup>` : "")).join("")}${tips ? "" : '<option value="all">Every product</option>'}</select></span>`;
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
  drawTerms(form);
  drawTargets(form);
  fit(form);
  form.addEventListener("change", (event) => { if (event.target.closest("[data-terms]")) changeTerm(form, event); if (event.target.closest("[data-targets]")) changeTarget(form, event); if (event.target.name === "effect") fit(form); if (event.target.name === "when") drawTerms(form); if (event.target.name === "target") drawTargets(form); });
  form.addEventListener("click", (event) => { if (event.target.closest("[data-terms] button")) changeTerm(form, event); if (event.target.closest("[data-targets] button")) changeTarget(form, event); });
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
  form.querySelector("select, input:not([type=hidden])").focus();
});
document.addEventListener("console:checked", (event) => {
  for (const row of document.querySelectorAll("[data-row]:not(.gone)")) {
    const told = event.detail.rows[row.dataset.row];
    if (told) row.querySelectorAll(".touch").forEach((cell, at) => { cell.textContent = told[at]; });
  }
});
document.addEventListener("console:done", (event) => close(event.detail));
document.addEventListener("keydown", (event) => { if (event.key === "Escape") close(event.target.closest?.("form[data-editor]")); });
for (const form of document.querySelectorAll("form[data-editor]")) dress(form);
