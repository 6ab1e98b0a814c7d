using System.Text;
using ChannelSdk.Protocol;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Runtime;
using Google.Protobuf;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>Packages that the host sends for what a script has installed.</summary>
public class InstallOverlayTests
{
    [Fact]
    public async Task A_package_is_laid_over_what_the_script_has_left_mounted()
    {
        await using var rig = new AgentRig();
        string target = $"{rig.RunFolder}/target";
        string goOn = $"{rig.Guest}/go-on";
        await using InstallDriver driver = await InstallDriver.StartAsync(rig.Instance.Channel, $"until [ -e {goOn} ]; do sleep 0.01; done\n{InstallTests.MountTarget}");
        Assert.Equal(ChannelError.FailedPrecondition, (await OverlayFailAsync(rig, driver.Operation)).Code);
        await File.WriteAllTextAsync(goOn, "");
        await driver.UntilAsync(InstallMessage.Ended);
        Assert.Equal(ChannelError.NotFound, (await OverlayFailAsync(rig, ByteString.CopyFrom(new byte[16]))).Code);
        ChannelException e = await OverlayFailAsync(rig, driver.Operation, new RawTar().Add("good").Add("../evil\u001b").Gzip());
        Assert.Equal((ChannelError.InvalidArgument, true), (e.Code, e.Message.Contains("'../evil\\u001b'", StringComparison.Ordinal)));
        Assert.Empty(Directory.GetFileSystemEntries(target));

        byte[] content = new byte[3_000_000];
        new Random(9).NextBytes(content);
        OverlayReply reply = OverlayReply.Parser.ParseFrom(
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
        await using InstallDriver driver = await InstallDriver.StartAsync(rig.Instance.Channel, script);
        await driver.UntilAsync(InstallMessage.Ended);
        ChannelException e = await OverlayFailAsync(rig, driver.Operation);
        Assert.Equal(ChannelError.FailedPrecondition, e.Code);
        Assert.Contains(why, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_package_that_stops_on_its_way_goes_with_its_operation()
    {
        await using var rig = new AgentRig();
        await using InstallDriver driver = await InstallDriver.StartAsync(rig.Instance.Channel, InstallTests.MountTarget);
        await driver.UntilAsync(InstallMessage.Ended);
        await using ChannelStream package = await rig.Instance.Channel.OpenStreamAsync(
            ServiceMethods.InstallOverlay, new OverlayRequest { Operation = driver.Operation }, cancellationToken: rig.Soon);
        // More than any credit: when the last of it is written, the guest has begun to take it.
        for (int i = 0; i < 20; i++)
        {
            await package.WriteAsync(new byte[100_000], rig.Soon);
        }
        ChannelException other = await OverlayFailAsync(rig, driver.Operation);
        Assert.Equal(ChannelError.ResourceExhausted, other.Code);
        await driver.DisposeAsync();
        await Assert.ThrowsAsync<ChannelException>(async () => await package.ReadAsync(rig.Soon));
        await InstallTests.UntilAsync(rig, () => Directory.GetDirectories(rig.RunFolder).Length == 0);
    }

    private static async Task<byte[]> OverlayAsync(AgentRig rig, ByteString operation, byte[] archive)
    {
        await using ChannelStream stream = await rig.Instance.Channel.OpenStreamAsync(
            ServiceMethods.InstallOverlay, new OverlayRequest { Operation = operation }, cancellationToken: rig.Soon);
        try
        {
            for (int at = 0; at < archive.Length; at += 60_000)
            {
                await stream.WriteAsync(archive.AsMemory(at, Math.Min(60_000, archive.Length - at)), rig.Soon);
            }
            await stream.CompleteAsync(rig.Soon);
        }
        catch (ChannelException)
        {
            // The guest has ended the stream; why is read below.
        }
        using ReceivedMessage reply = await stream.ReadAsync(rig.Soon);
        return reply.Span.ToArray();
    }

    private static async Task<ChannelException> OverlayFailAsync(AgentRig rig, ByteString operation, byte[]? archive = null) =>
        await Assert.ThrowsAsync<ChannelException>(() => OverlayAsync(rig, operation, archive ?? new RawTar().Gzip()));
}
