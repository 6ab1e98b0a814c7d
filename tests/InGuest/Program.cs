// inguest CLASS...   runs the tests of these classes inside a guest and prints a line for each.
return args.Length > 0 ? new TestRun(args).Execute() : 2;
