using ChannelSdk.Hypervisors.Qemu;

namespace ChannelSdk.Guest.Tests;

/// <summary>QEMU itself, with a machine that has nothing to boot.</summary>
public sealed class MachineTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("machine-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_machine_is_saved_and_restored_behind_its_system_call_filter(bool hasUserNetwork)
    {
        var soon = SavedGuest.Soon;
        var folder = _folder.CreateSubdirectory("it's a, \"b\"").FullName;
        var options = new QemuOptions
        {
            Accelerator = Environment.GetEnvironmentVariable("CHANNELSDK_ACCEL"),
            MemoryMiB = 32,
            Folder = folder,
            Network = hasUserNetwork ? new QemuNetwork.User("/no such/program", Path.Combine(folder, "channel")) : null,
        };
        var state = Path.Combine(folder, "state of $(it)");
        await using (var guest = await QemuGuest.StartAsync(options, soon))
        {
            var status = await File.ReadAllLinesAsync($"/proc/{guest.Process!.Value.Id}/status", soon);
            Assert.Contains("Seccomp:\t2", status);
            await guest.SaveAsync(state, cancellationToken: soon);
        }

        Assert.InRange(new FileInfo(state).Length, 100_000, 200 << 20);
        await using var restored = await QemuGuest.StartAsync(options with { RestoreFrom = state }, soon);
        Assert.Equal("running", (await restored.Qmp.ExecuteAsync("query-status", null, soon)).GetProperty("status").GetString());
    }
}
