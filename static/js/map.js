// Typing lights up the points of the map at once; without this script the form asks the server, which does the same.

const picture = document.getElementById("map");
const field = document.querySelector("#map-search input");
if (picture && field) {
  const status = document.getElementById("lit");
  const plain = (text) => text.normalize("NFKC").toLowerCase();
  const before = status.textContent;
  const dots = [...picture.querySelectorAll(".dot")].map((dot) => [dot, plain(dot.textContent)]);
  let waiting = 0;

  const light = () => {
    const words = plain(field.value).split(/\s+/).filter(Boolean);
    let lit = 0;
    for (const [dot, text] of dots) {
      const on = words.length > 0 && words.every((word) => text.includes(word));
      dot.classList.toggle("is-lit", on);
      lit += on;
    }
    picture.classList.toggle("is-searched", words.length > 0);
    status.textContent = words.length ? `${lit.toLocaleString("en")} of ${dots.length.toLocaleString("en")} points light up.` : before;
  };

  field.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(light, 80);
  });
}
