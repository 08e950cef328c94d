"""The word mark, and what its letters look like."""

FONT = "-apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif"
TEXT = {"light": "#1b1f27", "dark": "#e6e9ee"}

# above the navigation, in the corner where that is folded away, and before anything else has loaded; {text} is a colour
LOGO = f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 132 32">
<rect width="32" height="32" rx="7" fill="#1b1f27" stroke="#5b6472" stroke-width=".5"/>
<rect x="7" y="7" width="8" height="8" rx="1.5" fill="#2b74d6"/>
<rect x="17" y="7" width="8" height="8" rx="1.5" fill="#2b74d6" opacity=".45"/>
<rect x="7" y="17" width="8" height="8" rx="1.5" fill="#c25a00" opacity=".45"/>
<rect x="17" y="17" width="8" height="8" rx="1.5" fill="#c25a00"/>
<text x="42" y="23" font-family="{FONT}" font-size="21" font-weight="600" fill="{{text}}">Telltale</text></svg>"""
