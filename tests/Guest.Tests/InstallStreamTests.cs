using System.Security.Cryptography;
using ChannelSdk.Host.Launch;
using ChannelSdk.Hypervisors.Qemu;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Events;
using ChannelSdk.Install.Operations;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.Faulty;

namespace ChannelSdk.Guest.Tests;

/// <summary>What is longer than a message, between the half on the host and the half in a real appliance.</summary>
[Collection("appliance")]
public class InstallStreamTests(Appliance appliance)
{
    private const int Size = 64 << 20;

    [Theory]
    [InlineData(ApplianceTransport.VirtioSerial)]
    [InlineData(ApplianceTransport.Vsock)]
    public async Task A_stream_goes_to_the_appliance_and_back_over_links_that_are_cut_and_is_the_same(ApplianceTransport transport)
    {
        using var rig = new InstallRig(appliance, transport);
        var (source, back, disk) = (rig.At("source"), rig.At("back"), rig.NewDisk("disk.img", Size));
        await File.WriteAllBytesAsync(source, RandomNumberGenerator.GetBytes(Size));
        rig.Write("create", $"#!/bin/sh\nset -e\nchannelctl half send --stream there --timeout 60 < {source}\nchannelctl half receive --stream back --timeout 60 > {back}\n");
        rig.Write("untrusted/create", """
            #!/bin/sh
            set -e
            PATH=$PATH:/bin:/sbin
            channel-agent receive --stream there --timeout 60 > $DISK_0_PATH
            channel-agent send --stream back --timeout 60 < $DISK_0_PATH
            """);
        var cutting = new CuttingLauncher(appliance.Launcher(transport), new FaultPlan { Links = [new LinkFaults { CutAfterSent = Size / 2 }, new LinkFaults { CutAfterReceived = Size / 2 }] });
        rig.Options = rig.Options with { Launcher = cutting };

        var (result, events) = await rig.RunAsync(new InstallRequest { Instance = "vm1", Action = InstallAction.Create, Disks = [disk] });

        Assert.Equal("", result.Reason);
        Assert.Equal(await HashAsync(source), await HashAsync(disk.Path));
        Assert.Equal(await HashAsync(source), await HashAsync(back));
        Assert.Equal(Size, new FileInfo(back).Length);
        Assert.Equal(3, cutting.Endpoint!.LinksOpened);
        Assert.Contains(events, static e => e is LogEvent { Text: "the stream there to the appliance had 67108864 bytes" });
        Assert.Contains(events, static e => e is LogEvent { Text: "the stream back from the appliance had 67108864 bytes" });
    }

    private static async Task<string> HashAsync(string path)
    {
        await using var file = File.OpenRead(path);
        return Convert.ToHexStringLower(await SHA256.HashDataAsync(file, InstallRig.Soon));
    }

    /// <summary>Appliances with links that break.</summary>
    private sealed class CuttingLauncher(IInstanceLauncher launcher, FaultPlan faults) : IInstanceLauncher
    {
        public FaultyEndpoint? Endpoint { get; private set; }

        public async Task<ILaunchedInstance> LaunchAsync(LaunchRequest request, CancellationToken cancellationToken = default)
        {
            var launched = await launcher.LaunchAsync(request, cancellationToken);
            return new Launched(launched, Endpoint = new FaultyEndpoint(launched.Endpoint, faults));
        }

        private sealed class Launched(ILaunchedInstance launched, ITransportEndpoint endpoint) : ILaunchedInstance
        {
            public ITransportEndpoint Endpoint => endpoint;

            public IReadOnlyList<string> DiskDevices => launched.DiskDevices;

            public Task Exited => launched.Exited;

            public Task KillAsync(TimeSpan within) => launched.KillAsync(within);

            public ValueTask DisposeAsync() => launched.DisposeAsync();
        }
    }
}
