"""What both importers share: operations of elsewhere become layers; see README.md."""
