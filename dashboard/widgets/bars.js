// Rates with intervals, each row a button. data: {rows: [{value, name, rate, low, high, text, label}], top, mean}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".bars")
  root.setAttribute("role", "group")
  root.setAttribute("aria-label", "Error rates, a button for each category.")
  const percent = (share) => `${(100 * share) / data.top}%`
  root.replaceChildren(
    ...data.rows.map((row) => {
      const button = make("button", "row")
      button.type = "button"
      button.setAttribute("aria-label", row.label)
      const track = make("div", "track")
      const fill = make("div", "fill")
      fill.style.width = percent(row.rate)
      const mean = make("div", "mean")
      mean.style.left = percent(data.mean)
      const whisker = make("div", "whisker")
      whisker.style.left = percent(row.low)
      whisker.style.width = percent(row.high - row.low)
      track.append(fill, mean, whisker)
      button.append(make("span", "name", row.name), track, make("span", "number", row.text))
      button.onclick = () => setTriggerValue("open", row.value)
      return button
    }),
  )
}
