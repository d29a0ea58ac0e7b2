// A filter's form: of each condition only what its field can be asked shows, and rows come and go without a page.

const TESTS = {
  from: ["contains", "is", "starts", "ends", "matches", "domain"],
  to: ["contains", "is", "starts", "ends", "matches", "domain"],
  recipient: ["contains", "is", "starts", "ends", "matches", "domain"],
  subject: ["contains", "is", "starts", "ends", "matches"],
  list: ["contains", "is", "starts", "ends", "matches", "present"],
  text: ["contains"],
  attachment: ["present", "contains", "is", "starts", "ends", "matches"],
  header: ["contains", "is", "starts", "ends", "matches", "present"],
  size: ["over", "under"],
  junk: ["present"],
};

export function enableFilterForm() {
  const form = document.querySelector("[data-filter-form]");
  if (!form) return;
  form.addEventListener("change", () => fit(form));
  fit(form);
}

function fit(form) {
  for (const row of form.querySelectorAll("[data-row]")) fitRow(row);
  const every = form.elements.match.value === "every";
  form.querySelector(".filter-rows").hidden = every;
  const more = form.querySelector(".filter-more");
  if (more) more.hidden = every;
  for (const part of form.querySelectorAll("[data-when-place]"))
    part.hidden = form.elements.place.value !== part.dataset.whenPlace;
}

function fitRow(row) {
  const [field, test] = row.querySelectorAll("select");
  const known = TESTS[field.value];
  for (const option of test.options) option.hidden = option.disabled = !known.includes(option.value);
  if (!known.includes(test.value)) test.value = known[0];
  test.hidden = field.value === "junk";
  row.querySelector(".filter-header").hidden = field.value !== "header";
  row.querySelector(".filter-values").hidden = test.value === "present";
}
