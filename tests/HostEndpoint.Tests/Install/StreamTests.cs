using System.Security.Cryptography;
using ChannelSdk.Channels;
using ChannelSdk.Install.Events;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Services.Install;

namespace ChannelSdk.HostEndpoint.Tests.Install;

/// <summary>Streams between the half on the host, with the real tool, and a half in a fake appliance.</summary>
[Trait(Lane.Name, Lane.Integration)]
public class StreamTests
{
    private const int Large = 2_000_003;

    [Fact]
    public async Task Streams_go_both_ways_and_the_log_has_their_bytes()
    {
        var content = RandomNumberGenerator.GetBytes(Large);
        using var back = new MemoryStream();
        using var rig = Rig(async (isToGuest, stream, cancel) =>
        {
            await ScriptPipe.JoinAsync(stream, cancel);
            if (isToGuest)
            {
                while (await ScriptPipe.ReadAsync(stream, cancel) is { } message)
                {
                    back.Write(message.Span);
                    message.Dispose();
                }

                return;
            }

            await stream.WriteAsync(content.AsMemory(0, 1_000_000), cancel);
            await stream.WriteAsync(content.AsMemory(1_000_000), cancel);
            await stream.WriteAsync(default, cancel);
            using var last = await stream.ReadAsync(cancel);
            Assert.True(last.IsEnd);
        }, "channelctl half receive --stream up > \"$TMPDIR/up\" && channelctl half send --stream down < \"$TMPDIR/up\"");
        var (result, events) = await rig.RunAsync();
        Assert.Equal("", result.Reason);
        Assert.Equal(content, back.ToArray());
        Assert.Contains(events, e => e is LogEvent { Text: "the stream up from the appliance had 2000003 bytes" });
        Assert.Contains(events, e => e is LogEvent { Text: "the stream down to the appliance had 2000003 bytes" });
    }

    public static TheoryData<string, string, int> Lies => new()
    {
        { "ends early", "receive --stream", 5 },
        { "half-closes", "receive --stream", 5 },
        { "fails", "receive --stream", 5 },
        { "begins with data", "receive --stream", 5 },
        { "ends at once", "receive --stream", 5 },
        { "talks", "send --stream", 5 },
        { "reads no more", "send --stream", 5 },
        { "is silent", "receive --stream --timeout 0.3", 7 },
        { "is over", "receive --stream", 6 },
        { "has ended", "receive --stream", 6 },
    };

    [Theory]
    [MemberData(nameof(Lies))]
    public async Task An_appliance_that_breaks_a_stream_off_is_told_to_the_tool(string lie, string verb, int code)
    {
        using var rig = Rig(async (isToGuest, stream, cancel) =>
        {
            if (lie is not ("begins with data" or "is silent" or "is over" or "has ended" or "ends at once"))
            {
                await ScriptPipe.JoinAsync(stream, cancel);
            }

            switch (lie)
            {
                case "ends early" or "half-closes":
                    await stream.WriteAsync(new byte[100], cancel);
                    await (lie == "half-closes" ? stream.CompleteAsync(cancel).AsTask().ContinueWith(_ => Task.Delay(Timeout.Infinite, cancel), cancel).Unwrap() : Task.CompletedTask);
                    break;
                case "fails":
                    await stream.WriteAsync(new byte[100], cancel);
                    throw new ChannelException(ChannelError.Internal, ErrorClass.MayHaveRun, "broken");
                case "begins with data":
                    await stream.WriteAsync(new byte[100], cancel);
                    await Task.Delay(Timeout.Infinite, cancel);
                    break;
                case "talks":
                    await stream.WriteAsync(new byte[100], cancel);
                    await Task.Delay(Timeout.Infinite, cancel);
                    break;
                case "is silent" or "has ended":
                    await Task.Delay(Timeout.Infinite, cancel);
                    break;
                case "is over":
                    throw new ChannelException(ChannelError.NotFound, ErrorClass.Refused, "not under way");
            }
        }, $"(head -c 3000000 /dev/zero) | channelctl half {verb} > /dev/null 2> \"$TMPDIR/why\"; echo \"code $?\"; cat \"$TMPDIR/why\" >&2", endsAtOnce: lie == "has ended");
        var (_, events) = await rig.RunAsync();
        Assert.Contains(events, e => e is OutputEvent { Party: InstallParty.Trusted } output && output.Text == $"code {code}");
    }

    [Fact]
    public async Task More_streams_than_two_at_a_time_are_refused()
    {
        using var place = new TestFolder();
        var open = 0;
        using var rig = Rig(
            async (_, _, cancel) =>
            {
                if (Interlocked.Increment(ref open) == 2)
                {
                    File.WriteAllText(place.At("both"), "");
                }

                await Task.Delay(Timeout.Infinite, cancel);
            },
            $"""
            channelctl half receive --stream a 2> /dev/null & first=$!
            channelctl half send --stream b < /dev/null 2> /dev/null & second=$!
            until [ -e '{place.At("both")}' ]; do sleep 0.05; done
            channelctl half receive --stream c; code=$?
            kill $first $second; wait
            until channelctl half receive --stream d --timeout 0.2; [ $? = 7 ]; do sleep 0.05; done; echo "code $code, then 7"
            """);
        var (_, events) = await rig.RunAsync();
        Assert.Contains(events, e => e is OutputEvent { Text: "code 4, then 7" });
        Assert.Contains(events, e => e is OutputEvent { IsError: true } output && output.Text.Contains("at most 2 streams at a time", StringComparison.Ordinal));
    }

    private static InstallRig Rig(Func<bool, ChannelStream, CancellationToken, Task> pipe, string script, bool endsAtOnce = false)
    {
        var rig = new InstallRig
        {
            Appliance = new FakeAppliance(async half =>
            {
                if (!endsAtOnce)
                {
                    // The half on the host ends first.
                    await Assert.ThrowsAnyAsync<ChannelException>(async () => await half.Coordinator.WatchPeerAsync(half.Ended));
                }

                return InstallRig.Well;
            })
            {
                Pipe = (request, stream, cancel) => pipe(request.IsToGuest, stream, cancel),
            },
        };
        rig.Write("os/untrusted/create", "#!/bin/sh\n");
        rig.Write("os/create", $"#!/bin/sh\n{script}\n");
        return rig;
    }
}
