// inxen CLASS...   runs the tests of these classes inside dom0 and prints a line for each.
using ChannelSdk.InXen;

return args.Length > 0 ? new TestRun(args) { MayTryAgain = EmulatorFault.HasBeen }.Execute() : 2;
