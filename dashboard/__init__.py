"""The screens: `views/`, what pages share in `components/`, what visitors share in `services/`; no mathematics."""
