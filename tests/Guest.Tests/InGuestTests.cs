using ChannelSdk.Hypervisors.Qemu;

namespace ChannelSdk.Guest.Tests;

/// <summary>Runs the tests of tests/InGuest inside guests: what needs a kernel's own vsock, on either side.</summary>
[Collection("vsock guest")]
public sealed class InGuestTests(SavedVsockGuest saved, InGuestDisk disk) : IClassFixture<InGuestDisk>
{
    [Fact]
    public async Task The_kernels_vsock_keeps_the_transport_contract_and_the_table_of_CIDs()
    {
        await using var guest = await BootAsync(640);
        await RunAsync(guest, "VsockLoopbackContractTests VsockTableTests");
    }

    [Fact]
    public async Task Sockets_of_a_guest_behave_over_our_device()
    {
        await using var device = SavedVsockGuest.NewDevice("sockets", anySourcePort: true);
        await using var host = new DeviceSocketHost(device);
        await using var guest = await BootAsync(640, device.SocketPath);
        await RunAsync(guest, "DeviceSocketTests");
        Assert.Equal(0, device.Status.Violations);
    }

    [Fact]
    public async Task A_guest_in_a_guest_is_reached_through_the_kernels_vhost_vsock()
    {
        // The kernel's vhost worker, the inner guest and its host side take turns on one processor for minutes.
        await using var guest = await BootAsync(1024, processors: 2);
        await RunAsync(guest, "NestedGuestTests", "while read -r m; do insmod /modules/$m; done < /modules/vhost; ");
    }

    private Task<QemuGuest> BootAsync(int memory, string? vsockSocket = null, int processors = 1) => saved.BootAsync(options => options with
    {
        MemoryMiB = memory,
        VsockSocket = vsockSocket,
        // The agent is not needed; it must not take the port of a test.
        Append = "channel.endpoint=unix:///nowhere",
        Arguments = ["-smp", $"{processors}", "-drive", $"file={disk.Image},if=none,id=d0,format=raw,snapshot=on", "-device", "virtio-blk-pci,drive=d0,addr=08"],
    });

    private static async Task RunAsync(QemuGuest guest, string classes, string before = "")
    {
        await using var console = await GuestConsole.ConnectAsync(guest.ConsoleSocket);
        await console.WaitForAsync("GUEST-READY");
        var output = await console.ShAsync(before + "mkdir /t; mount -t ext4 /dev/vda /t && mount -t proc proc /t/proc && mount --bind /dev /t/dev && mount -t tmpfs tmp /t/tmp; "
            + "chroot /t /bin/busybox env -i PATH=/usr/bin:/bin HOME=/tmp DOTNET_TieredPGO=0 DOTNET_EnableDiagnostics=0 DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 "
            + $"/dotnet/dotnet /app/ChannelSdk.InGuest.dll {classes} 2>&1 | tail -c 4000", TimeSpan.FromMinutes(14));
        Assert.True(output.Contains("END ", StringComparison.Ordinal) && output.Contains(" 0 failed", StringComparison.Ordinal)
            && !output.Contains("END 0 passed", StringComparison.Ordinal), output);
    }
}

/// <summary>The disk with the runtime, the tests and a saved guest, made once.</summary>
public sealed class InGuestDisk(SavedVsockGuest saved) : IAsyncLifetime
{
    public string Image { get; } = Path.Combine(Path.GetTempPath(), $"channelsdk-inguest-{Environment.ProcessId}.img");

    public async Task InitializeAsync()
    {
        var root = SavedGuest.FindRoot();
        await DiskGuest.RunAsync(Path.Combine(root, "tests/InGuest/build-disk.sh"), Image, Path.Combine(root, "tests/InGuest/bin/Release/net10.0"), saved.State);
    }

    public Task DisposeAsync()
    {
        File.Delete(Image);
        return Task.CompletedTask;
    }
}
