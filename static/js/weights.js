// The sliders of the weights' editor: shown, and in step with the number that is stored. Without this there are the numbers.
"use strict";
for (const slider of document.querySelectorAll("input.slider")) {
  const number = document.getElementById(slider.dataset.number);
  const follow = () => {
    slider.max = Math.max(1, Number(number.value) || 0);
    slider.value = number.value;
  };
  number.addEventListener("input", follow);
  slider.addEventListener("input", () => { number.value = slider.value; });
  follow();
  slider.hidden = false;
}
