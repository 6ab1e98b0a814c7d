namespace ChannelSdk.Runtime.Tests;

public sealed class CallsThroughAWorkerTests : CallTests
{
    private protected override bool IsIsolated => true;
}

public sealed class StreamsAndLinksThroughAWorkerTests : StreamAndLinkTests
{
    private protected override bool IsIsolated => true;
}

public sealed class DuplexPipesThroughAWorkerTests : DuplexPipeTests
{
    private protected override bool IsIsolated => true;
}
