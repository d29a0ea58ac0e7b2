"""Mail on its way in from elsewhere, and out, as its owners asked for."""
