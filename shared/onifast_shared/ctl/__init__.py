"""onifast-mailctl, the administrator's tool: `main` has the areas of commands, and each further module those of one."""
