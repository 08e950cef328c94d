"""The screens: `views/`, what pages share in `components/`, what visitors share in `services/`; no mathematics."""

from dashboard.services.importing import import_in_turn

# before anything of it is read
import_in_turn()
