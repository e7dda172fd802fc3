"use strict";

const shown = ["Twofold-After", "Twofold-Next", "Retry-After"];

// Numbers beyond 2^53 would change in JavaScript, so the text is laid out only where that changes nothing in it.
function laidOut(text) {
  try {
    const value = JSON.parse(text);
    return JSON.stringify(value) === text ? JSON.stringify(value, null, 2) : text;
  } catch {
    return text;
  }
}

async function ask(form) {
  const headers = { "Content-Type": "application/json" };
  for (const input of form.querySelectorAll("input[data-header]")) {
    if (input.value) headers[input.dataset.header] = input.value;
  }
  const response = await fetch(form.dataset.path, { method: "POST", headers, body: form.elements.body.value });
  const lines = [`${response.status} ${response.statusText}`];
  for (const name of shown) {
    const value = response.headers.get(name);
    if (value !== null) lines.push(`${name}: ${value}`);
  }
  const after = response.headers.get("Twofold-After");
  if (after !== null) {
    for (const input of document.querySelectorAll('input[data-header="Twofold-After"]')) input.value = after;
  }
  return { good: response.ok, text: `${lines.join("\n")}\n\n${laidOut(await response.text())}` };
}

for (const form of document.querySelectorAll("form[data-path]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const output = form.querySelector("output");
    output.className = "";
    output.textContent = "…";
    let told;
    try {
      told = await ask(form);
    } catch (error) {
      told = { good: false, text: String(error) };
    }
    output.className = told.good ? "good" : "bad";
    output.textContent = told.text;
  });
}

// A link to a message opens it.
function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target && target.tagName === "DETAILS") target.open = true;
}
addEventListener("hashchange", openTarget);
openTarget();
