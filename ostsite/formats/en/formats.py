"""How the admin writes moments: as the pages do, unmistakable in every country. What is left out stays Django's."""

DATE_FORMAT = "j M Y"
DATETIME_FORMAT = "j M Y, H:i e"
TIME_FORMAT = "H:i"
