// A row of small pictures, each framed in the colour of what it is, and one apart.
// data: {tiles: [{source, label, called, about, far, alt}], apart: {title, tile} | null}

const draw = (tile) => {
  const box = make("figure", "one")
  const image = make("img", tile.label)
  image.src = tile.source
  image.alt = tile.alt
  image.title = tile.alt
  const caption = make("figcaption", "")
  caption.append(make("span", `chip ${tile.label}`, tile.label), make("span", "about", tile.about))
  const far = make("div", "far quiet", tile.far)
  if (tile.called !== tile.label) far.append(make("span", "bad", `called ${tile.called}`))
  box.append(image, caption, far)
  return box
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".alike")
  const row = make("div", "row")
  row.append(...data.tiles.map(draw))
  const parts = [row]
  if (data.apart) {
    const apart = make("div", "apart")
    apart.append(make("div", "quiet", data.apart.title), draw(data.apart.tile))
    parts.push(apart)
  }
  root.replaceChildren(...parts)
}
