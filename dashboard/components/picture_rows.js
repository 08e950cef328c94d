// Pictures in rows under shared headings. data: {heads: [text], rows: [{title, note, cells: [cell | null]}]},
//   cell: {source, alt, caption, edge, rates: [{name, text, label}]}

const draw = (cell) => {
  const box = make("figure", "cell")
  if (cell === null) return box
  const image = make("img", cell.edge ?? "")
  image.src = cell.source
  image.alt = cell.alt
  box.append(image)
  const caption = make("figcaption", "")
  if (cell.caption) caption.append(make("div", "quiet", cell.caption))
  cell.rates.forEach((rate) => {
    const line = make("div", "rate")
    line.title = rate.label
    line.append(make("span", `chip ${rate.name}`, rate.name), make("span", "", rate.text))
    // a title alone is for the pointer
    line.append(make("span", "spoken", rate.label))
    caption.append(line)
  })
  box.append(caption)
  return box
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".picture_rows")
  root.style.setProperty("--columns", data.heads.length)
  const parts = [make("div", "title"), ...data.heads.map((head) => make("div", "head", head))]
  data.rows.forEach((row) => {
    const title = make("div", "title")
    title.append(make("div", "name", row.title), make("div", "quiet", row.note))
    parts.push(title, ...row.cells.map(draw))
  })
  const table = make("div", "table")
  table.append(...parts)
  root.replaceChildren(table)
}
