"""The screens: pages in views/, what pages share in widgets/; the mathematics is in core/."""
