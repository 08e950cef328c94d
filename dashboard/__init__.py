"""The screens: `views/` the pages, `components/` shared by pages, modules shared by visitors; no mathematics."""
