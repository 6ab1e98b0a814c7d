using ChannelSdk.Cli;
using ChannelSdk.Cli.Shared;

using var signals = new ToolSignals();
return await CommandTree.RunAsync(args, ToolStreams.OfProcess(), signals);
