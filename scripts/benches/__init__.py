"""What `tandem bench` measures: a module for each bench, with SUMMARY, arguments(parser) and run(options)."""
