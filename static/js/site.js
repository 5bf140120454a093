// What a page can do better with a script. Without it everything still works.

const root = document.documentElement;

// Colours: as the system has them, or light, or dark.
for (const group of document.querySelectorAll(".theme")) {
  const choices = [...group.querySelectorAll("button")];
  const show = () => choices.forEach((each) => each.setAttribute("aria-pressed", each.value === (root.dataset.theme || "")));
  for (const each of choices) {
    each.addEventListener("click", () => {
      root.dataset.theme = each.value;
      try {
        localStorage.setItem("theme", each.value);
      } catch {
        // It then lasts for this page.
      }
      show();
    });
  }
  show();
  group.hidden = false;
}

// "/" goes to the search, unless somebody is typing.
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
  const search = document.getElementById("site-search");
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || typing || !search) return;
  event.preventDefault();
  search.focus();
});

// A button that is exchanged for its answer was disabled meanwhile, and lost the focus: its successor gets it.
let pressed = "";
document.addEventListener("submit", (event) => {
  pressed = event.submitter?.id || "";
}, true);
document.addEventListener("htmx:afterSettle", () => {
  if (pressed && document.activeElement === document.body) document.getElementById(pressed)?.focus();
  pressed = "";
});

// What did not arrive, or was refused, is said.
function say(text) {
  const note = document.createElement("p");
  note.className = "note bad";
  note.textContent = text;
  document.getElementById("messages")?.replaceChildren(note);
  note.scrollIntoView({ block: "nearest" });
}
const REFUSED = {
  403: "This page is too old. Load it again, then try once more.",
  429: "That was a lot in a short time. Wait a minute, then try again.",
};
document.addEventListener("htmx:responseError", (event) => {
  say(REFUSED[event.detail.xhr.status] || "That did not work. Try again in a moment.");
});
for (const name of ["htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(name, () => say("The site cannot be reached. Try again in a moment."));
}
