using System.Text;
using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;
using Google.Protobuf;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>Packages that the host sends for what a script has installed.</summary>
[Trait(Lane.Name, Lane.Integration)]
public class InstallOverlayTests
{
    [Fact]
    public async Task A_package_is_laid_over_the_system_that_the_script_left_mounted()
    {
        await using var rig = new AgentRig();
        var target = $"{rig.RunFolder}/target";
        var goOn = $"{rig.Guest}/go-on";
        await using var driver = await InstallDriver.StartAsync(rig.Instance.Channel, $"until [ -e {goOn} ]; do sleep 0.01; done\n{InstallScripts.MountTarget}");
        Assert.Equal(ChannelError.FailedPrecondition, (await OverlayFailAsync(rig, driver.Operation)).Code);
        await File.WriteAllTextAsync(goOn, "");
        await driver.UntilAsync(InstallMessage.Ended);
        Assert.Equal(ChannelError.NotFound, (await OverlayFailAsync(rig, ByteString.CopyFrom(new byte[16]))).Code);
        var e = await OverlayFailAsync(rig, driver.Operation, new RawTar().Add("good").Add("../evil\u001b").Gzip());
        Assert.Equal((ChannelError.InvalidArgument, true), (e.Code, e.Message.Contains("'../evil\\u001b'", StringComparison.Ordinal)));
        Assert.Empty(Directory.GetFileSystemEntries(target));

        var content = new byte[3_000_000];
        new Random(9).NextBytes(content);
        var reply = OverlayReply.Parser.ParseFrom(
            await OverlayAsync(rig, driver.Operation, new RawTar().Add("etc/motd", content: Encoding.Latin1.GetString(content), mode: "0000600", owner: "0000007").Gzip()));
        Assert.Equal((1ul, 3_000_000ul), (reply.Entries, reply.Bytes));
        Assert.Equal(content, await File.ReadAllBytesAsync($"{target}/etc/motd"));
        Assert.Single(Directory.GetFileSystemEntries(target));

        e = await OverlayFailAsync(rig, driver.Operation, new RawTar().Add("big", size: "00400000000").Gzip());
        Assert.Equal(ChannelError.ResourceExhausted, e.Code);
        await driver.Out.CompleteAsync();
        Assert.Null(await driver.NextAsync());
        Assert.Equal(ChannelError.NotFound, (await OverlayFailAsync(rig, driver.Operation)).Code);
    }

    [Theory]
    [InlineData("exit 0", "nothing mounted")]
    [InlineData("mount -t tmpfs t \"$CHANNELSDK_TARGET\"; exit 1", "the script has failed")]
    public async Task Without_an_installed_system_there_is_nothing_to_lay_a_package_over(string script, string why)
    {
        await using var rig = new AgentRig();
        await using var driver = await InstallDriver.StartAsync(rig.Instance.Channel, script);
        await driver.UntilAsync(InstallMessage.Ended);
        var e = await OverlayFailAsync(rig, driver.Operation);
        Assert.Equal(ChannelError.FailedPrecondition, e.Code);
        Assert.Contains(why, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_package_that_stops_on_its_way_goes_with_its_operation()
    {
        await using var rig = new AgentRig();
        await using var driver = await InstallDriver.StartAsync(rig.Instance.Channel, InstallScripts.MountTarget);
        await driver.UntilAsync(InstallMessage.Ended);
        await using var package = await rig.Instance.Channel.OpenStreamAsync(
            InstallMethods.Overlay, new OverlayRequest { Operation = driver.Operation }, cancellationToken: rig.Soon);
        // More than any credit: when the last of it is written, the guest has begun to take it.
        for (var i = 0; i < 20; i++)
        {
            await package.WriteAsync(new byte[100_000], rig.Soon);
        }

        var other = await OverlayFailAsync(rig, driver.Operation);
        Assert.Equal(ChannelError.ResourceExhausted, other.Code);
        await driver.DisposeAsync();
        await Assert.ThrowsAsync<ChannelException>(async () => await package.ReadAsync(rig.Soon));
        await InstallScripts.UntilAsync(rig, () => Directory.GetDirectories(rig.RunFolder).Length == 0);
    }

    private static async Task<byte[]> OverlayAsync(AgentRig rig, ByteString operation, byte[] archive)
    {
        await using var stream = await rig.Instance.Channel.OpenStreamAsync(
            InstallMethods.Overlay, new OverlayRequest { Operation = operation }, cancellationToken: rig.Soon);
        try
        {
            for (var at = 0; at < archive.Length; at += 60_000)
            {
                await stream.WriteAsync(archive.AsMemory(at, Math.Min(60_000, archive.Length - at)), rig.Soon);
            }

            await stream.CompleteAsync(rig.Soon);
        }
        catch (ChannelException)
        {
            // The guest has ended the stream; why is read below.
        }

        using var reply = await stream.ReadAsync(rig.Soon);
        return reply.Span.ToArray();
    }

    private static async Task<ChannelException> OverlayFailAsync(AgentRig rig, ByteString operation, byte[]? archive = null) =>
        await Assert.ThrowsAsync<ChannelException>(() => OverlayAsync(rig, operation, archive ?? new RawTar().Gzip()));
}
