// What is wrong with what a page shows. Sizes are those on the screen, whatever the scale of a drawing.
([least, ordinary, large, marks]) => {
  const wrong = [];
  const say = (what, element, seen) => wrong.push(
    `${what}: ${seen} of ${element.tagName} "${(element.textContent || "").trim().slice(0, 60)}"`);
  const rgba = text => {
    const found = (text.match(/[\d.]+/g) || []).map(Number);
    return found.length == 3 ? [...found, 1] : found;
  };
  const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3])).concat([1]);
  const behind = element => {
    const layers = [];
    for (let each = element; each; each = each.parentElement) layers.push(rgba(getComputedStyle(each).backgroundColor));
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255, 1]);
  };
  const light = colour => {
    const [r, g, b] = colour.slice(0, 3).map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [dark, bright] = [light(one), light(other)].sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
  };
  document.querySelectorAll("details").forEach(each => { each.open = true; });
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let texts = 0;
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.textContent.trim() || element.closest("title, style, script, defs") || !element.checkVisibility()) continue;
    texts += 1;
    const style = getComputedStyle(element);
    const drawn = element instanceof SVGElement;
    const matrix = drawn ? element.getScreenCTM() : null;
    const size = parseFloat(style.fontSize) * (matrix ? Math.sqrt(Math.abs(matrix.a * matrix.d - matrix.b * matrix.c)) : 1);
    if (size < least) say("small text", element, `${size.toFixed(1)} px`);
    const back = behind(element);
    const ratio = contrast(over(rgba(drawn ? style.fill : style.color), back), back);
    const isLarge = size >= 24 || (size >= 18.66 && parseInt(style.fontWeight) >= 700);
    if (ratio < (isLarge ? large : ordinary)) say("weak contrast", element, `${ratio.toFixed(2)} to 1`);
  }
  for (const element of document.querySelectorAll("svg [style*='var(--']")) {
    const named = element.getAttribute("style");
    if (/var\(--(line|soft)/.test(named) || /opacity/.test(named)) continue;
    const style = getComputedStyle(element);
    const back = behind(element);
    for (const kind of ["stroke", "fill"]) {
      if (!named.includes(`${kind}: var(--`)) continue;
      const ratio = contrast(over(rgba(style[kind]), back), back);
      if (ratio < marks) say("weak mark", element, `${ratio.toFixed(2)} to 1`);
    }
  }
  for (const drawing of document.querySelectorAll("svg")) {
    const named = drawing.firstElementChild;
    if (drawing.getAttribute("role") != "img" || named?.tagName != "title" || !named.textContent) say("unnamed drawing", drawing, "svg");
  }
  const ids = [...document.querySelectorAll("[id]")].map(each => each.id);
  const twice = ids.filter((id, i) => ids.indexOf(id) != i);
  if (twice.length) wrong.push(`ids that are there twice: ${[...new Set(twice)].slice(0, 5)}`);
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  if (wide > 0) wrong.push(`the page is ${wide} px wider than the screen`);
  return {texts, wrong: [...new Set(wrong)]};
}
