"""Languages that a text may be said to be written in, by BCP 47, for the browser's spelling."""

LANGUAGES = (
    ("en", "English"),
    ("de", "Deutsch"),
    ("fr", "Français"),
    ("es", "Español"),
    ("it", "Italiano"),
    ("nl", "Nederlands"),
    ("pt", "Português"),
    ("pl", "Polski"),
    ("cs", "Čeština"),
    ("sv", "Svenska"),
    ("da", "Dansk"),
    ("tr", "Türkçe"),
    ("ru", "Русский"),
    ("uk", "Українська"),
    ("ar", "العربية"),
    ("ja", "日本語"),
    ("zh", "中文"),
)
"""Each with its own name for itself."""
