"""What `tandem build` makes: a module for each kind of thing, with SUMMARY, arguments(parser) and run(options)."""
