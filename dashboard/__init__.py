"""The screens: `views/` the pages, `components/` shared by pages, `services/` shared by visitors; no mathematics."""

from dashboard.services.server.importing import import_in_turn

# before anything of it is read
import_in_turn()
