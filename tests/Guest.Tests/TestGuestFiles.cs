using System.Diagnostics;

namespace ChannelSdk.Guest.Tests;

/// <summary>Kernel and initramfs of the test guest, for tests that boot it in ways of their own.</summary>
public sealed class TestGuestFiles : IAsyncLifetime
{
    public Task InitializeAsync() => BuildAsync();

    public Task DisposeAsync() => Task.CompletedTask;

    /// <summary>Builds what is not there or older than the agent.</summary>
    internal static async Task BuildAsync()
    {
        var root = SavedGuest.FindRoot();
        using var build = Process.Start(new ProcessStartInfo(Path.Combine(root, "scripts/build-guest.sh")) { WorkingDirectory = root })!;
        await build.WaitForExitAsync();
        Assert.Equal(0, build.ExitCode);
    }
}

[CollectionDefinition("copies")]
public class CopiesCollection : ICollectionFixture<TestGuestFiles>;
