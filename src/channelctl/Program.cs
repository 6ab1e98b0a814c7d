using ChannelSdk.Tool;

using var signals = new ToolSignals();
return await Tool.RunAsync(args, ToolStreams.OfProcess(), signals);
