"""The screens: `views/` the pages, `components/` shared by pages, `services/` shared by visitors; no mathematics."""
