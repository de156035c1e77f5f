"""Words and pictures for people: messages and chart figures. Pure."""
