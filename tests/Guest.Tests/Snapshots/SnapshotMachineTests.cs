namespace ChannelSdk.Guest.Tests.Snapshots;

/// <summary>Tests with machines of their own, which end with each of them.</summary>
public abstract class SnapshotMachineTests : IAsyncLifetime
{
    private protected SnapshotMachine Machine { get; } = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public Task DisposeAsync() => Machine.DisposeAsync().AsTask();
}
