// Rates with intervals, each row a button.
// data: {title, rows: [{value, name, rate, low, high, text, label, expected or null}], top, mean or null, wide}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".bars")
  root.classList.toggle("wide", data.wide)
  root.setAttribute("role", "group")
  root.setAttribute("aria-label", data.title)
  const percent = (share) => `${(100 * share) / data.top}%`
  const focused = parentElement.activeElement?.dataset?.value
  root.replaceChildren(
    ...data.rows.map((row) => {
      const button = make("button", "row")
      button.type = "button"
      button.dataset.value = row.value
      // a long name is cut
      button.title = row.name
      const track = make("div", "track")
      const fill = make("div", "fill")
      fill.style.width = percent(row.rate)
      const whisker = make("div", "whisker")
      whisker.style.left = percent(row.low)
      whisker.style.width = percent(row.high - row.low)
      track.append(fill, whisker)
      if (data.mean !== null) {
        const mean = make("div", "mean")
        mean.style.left = percent(data.mean)
        fill.after(mean)
      }
      if (row.expected !== null) {
        const expected = make("div", "expected")
        expected.style.left = percent(row.expected)
        track.append(expected)
      }
      button.append(make("span", "name", row.name), track, make("span", "number", row.text), make("span", "spoken", row.label))
      button.onclick = () => setTriggerValue("open", row.value)
      return button
    }),
  )
  if (focused) root.querySelector(`[data-value="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true })
}
