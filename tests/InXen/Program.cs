// inxen CLASS...   runs the tests of these classes inside dom0 and prints a line for each.
return args.Length > 0 ? new TestRun(args).Execute() : 2;
