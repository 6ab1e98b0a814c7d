using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using ChannelSdk.Host;
using ChannelSdk.Host.Json;
using ChannelSdk.Host.Qga;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.HostEndpoint.Tests.Qga;

/// <summary>The client of qemu-ga against agents that are slow, rude, restarted or hostile.</summary>
public sealed class QgaClientTests
{
    private static readonly QgaClientOptions s_quick = new() { SyncInterval = TimeSpan.FromMilliseconds(200), CallTimeout = TimeSpan.FromSeconds(20), MaxReply = 1 << 20 };
    private static readonly TimeSpan s_short = TimeSpan.FromMilliseconds(300);

    [Fact]
    public async Task A_result_and_an_error_are_told_apart()
    {
        await using var guest = new QgaDouble(static (guest, command, _) => command switch
        {
            "guest-get-time" => guest.ReturnAsync("42"),
            "guest-exec" => guest.ErrorAsync("CommandNotFound", "Command guest-exec has been disabled"),
            _ => guest.ErrorAsync("GenericError", "no\\u001b[2J way"),
        });
        await using var client = QgaClient.Open(guest.Path, s_quick);
        Assert.Equal(42, (await client.CallAsync("guest-get-time")).GetInt64());
        Assert.Equal(ChannelError.Unsupported, (await Assert.ThrowsAsync<ChannelException>(async () => await client.CallAsync("guest-exec"))).Code);
        var error = await Assert.ThrowsAsync<ChannelException>(async () => await client.CallAsync("guest-file-open", "{\"path\":\"/x\"}"));
        Assert.Equal(ChannelError.FailedPrecondition, error.Code);
        Assert.Contains("no\\u001b[2J way", error.Message);
    }

    [Theory]
    [InlineData("[1]")]
    [InlineData("{")]
    [InlineData("5")]
    public async Task Arguments_that_are_no_object_are_refused_before_anything_is_sent(string arguments)
    {
        await using var guest = new QgaDouble();
        await using var client = QgaClient.Open(guest.Path, s_quick);
        Assert.Equal(ChannelError.InvalidArgument, (await Assert.ThrowsAsync<ChannelException>(async () => await client.CallAsync("guest-ping", arguments))).Code);
        Assert.Empty(guest.Commands);
    }

    [Fact]
    public async Task What_lies_on_the_stream_before_the_synchronization_is_dropped()
    {
        await using var guest = new QgaDouble
        {
            OnSync = static async guest =>
        {
            await guest.SendAsync("{\"return\": {\"version\": \"half of an old reply\n{\"error\": {\"class\": \"GenericError\", \"desc\": \"JSON parse error\"}}\n");
            return true;
        }
        };
        await using var client = QgaClient.Open(guest.Path, s_quick);
        Assert.Equal("{}", (await client.CallAsync("guest-ping")).ToString());
    }

    [Fact]
    public async Task A_reply_that_comes_after_its_deadline_is_never_taken_for_another_calls()
    {
        var late = new TaskCompletionSource();
        await using var guest = new QgaDouble(async (guest, command, _) =>
        {
            if (command == "guest-get-time")
            {
                await late.Task;
            }

            await guest.ReturnAsync($"\"{command}\"");
        });
        await using var client = QgaClient.Open(guest.Path, s_quick);
        var error = await Assert.ThrowsAsync<ChannelException>(async () => await client.CallAsync("guest-get-time", null, s_short));
        Assert.Equal((ChannelError.DeadlineExceeded, ErrorClass.MayHaveRun), (error.Code, error.Class));
        late.SetResult();
        Assert.Equal("guest-get-host-name", (await client.CallAsync("guest-get-host-name")).GetString());
        Assert.Equal("guest-ping", (await client.CallAsync("guest-ping")).GetString());
    }

    [Fact]
    public async Task An_unsolicited_reply_is_dropped()
    {
        await using var guest = new QgaDouble(static async (guest, command, _) =>
        {
            await guest.ReturnAsync($"\"{command}\"");
            await guest.ReturnAsync("\"once more\"");
        });
        await using var client = QgaClient.Open(guest.Path, s_quick);
        Assert.Equal("guest-ping", (await client.CallAsync("guest-ping")).GetString());
        Assert.Equal("guest-info", (await client.CallAsync("guest-info")).GetString());
    }

    [Fact]
    public async Task Synchronizations_that_are_lost_while_a_guest_boots_are_asked_again()
    {
        var asked = 0;
        await using var guest = new QgaDouble { OnSync = _ => Task.FromResult(++asked > 6) };
        await using var client = QgaClient.Open(guest.Path, s_quick with { SyncInterval = TimeSpan.FromMilliseconds(50) });
        await client.SyncAsync();
        Assert.Equal(7, asked);
        Assert.Equal(2, guest.Connections);
    }

    [Fact]
    public async Task An_agent_that_is_restarted_in_the_middle_is_found_again_and_the_call_says_that_it_may_have_run()
    {
        var cut = true;
        await using var guest = new QgaDouble(async (guest, _, _) =>
        {
            if (cut)
            {
                cut = false;
                await guest.SendAsync("{\"retu");
                guest.Cut();
                return;
            }

            await guest.ReturnAsync("{}");
        });
        await using var client = QgaClient.Open(guest.Path, s_quick);
        var error = await Assert.ThrowsAsync<ChannelException>(async () => await client.CallAsync("guest-ping"));
        Assert.Equal((ChannelError.LinkLost, ErrorClass.MayHaveRun), (error.Code, error.Class));
        await client.CallAsync("guest-ping");
        Assert.Equal(2, guest.Connections);
    }

    [Fact]
    public async Task A_missing_socket_and_a_silent_guest_are_told_apart()
    {
        await using var nobody = QgaClient.Open("/nonexistent/qga.sock", s_quick);
        Assert.Equal(ChannelError.EndpointMissing, (await Assert.ThrowsAsync<ChannelException>(async () => await nobody.CallAsync("guest-ping", null, s_short))).Code);
        await using var guest = new QgaDouble { OnSync = static _ => Task.FromResult(false) };
        await using var client = QgaClient.Open(guest.Path, s_quick with { SyncInterval = TimeSpan.FromMilliseconds(20) });
        var error = await Assert.ThrowsAsync<ChannelException>(async () => await client.CallAsync("guest-ping", null, s_short));
        Assert.Equal(ErrorClass.Retry, error.Class);
    }

    [Fact]
    public async Task An_endless_reply_is_cut_off_and_the_next_call_works()
    {
        var flood = true;
        await using var guest = new QgaDouble(async (guest, _, _) =>
        {
            var part = new string('a', 64 << 10);
            while (flood)
            {
                await guest.SendAsync(part);
            }

            await guest.ReturnAsync("{}");
        });
        await using var client = QgaClient.Open(guest.Path, s_quick);
        Assert.Equal(ChannelError.ResourceExhausted, (await Assert.ThrowsAsync<ChannelException>(async () => await client.CallAsync("guest-ping"))).Code);
        flood = false;
        await client.CallAsync("guest-ping");
    }

    [Fact]
    public async Task A_flood_of_lines_does_not_outlast_the_deadline()
    {
        await using var guest = new QgaDouble
        {
            OnSync = static async guest =>
        {
            while (true)
            {
                await guest.SendAsync("{\"return\": 1}\n\u00ff{\"return\": 2}\n");
            }
        }
        };
        await using var client = QgaClient.Open(guest.Path, s_quick);
        await Assert.ThrowsAsync<ChannelException>(async () => await client.CallAsync("guest-ping", null, s_short).WaitAsync(TimeSpan.FromSeconds(20)));
    }

    [Theory]
    [InlineData("{\"nothing\": 1}\n")]
    [InlineData("{\"return\": \n")]
    [InlineData("\n")]
    [InlineData("[]\n")]
    [InlineData("\u0001\u0002\n")]
    public async Task What_is_no_reply_is_said_to_be_none(string reply)
    {
        await using var guest = new QgaDouble((guest, _, _) => guest.SendAsync(reply));
        await using var client = QgaClient.Open(guest.Path, s_quick);
        Assert.Equal(ChannelError.InvalidArgument, (await Assert.ThrowsAsync<ChannelException>(async () => await client.CallAsync("guest-ping"))).Code);
    }

    [Fact]
    public async Task Deep_nesting_is_no_reply_either()
    {
        await using var guest = new QgaDouble(static (guest, _, _) => guest.SendAsync($"{{\"return\": {new string('[', 10_000)}{new string(']', 10_000)}}}\n"));
        await using var client = QgaClient.Open(guest.Path, s_quick);
        Assert.Equal(ChannelError.InvalidArgument, (await Assert.ThrowsAsync<ChannelException>(async () => await client.CallAsync("guest-ping"))).Code);
    }

    [Fact]
    public async Task A_thaw_without_an_answer_is_tried_until_it_is_confirmed_and_the_operator_is_told()
    {
        var failures = 2;
        var frozen = false;
        await using var guest = new QgaDouble(async (guest, command, _) =>
        {
            switch (command)
            {
                case "guest-fsfreeze-freeze":
                    frozen = true;
                    await guest.ReturnAsync("1");
                    break;
                case "guest-fsfreeze-thaw" when failures-- > 0:
                    guest.Cut();
                    break;
                case "guest-fsfreeze-thaw":
                    frozen = false;
                    await guest.ReturnAsync("1");
                    break;
                case "guest-fsfreeze-status":
                    await guest.ReturnAsync(frozen ? "\"frozen\"" : "\"thawed\"");
                    break;
                default:
                    await guest.ReturnAsync("{}");
                    break;
            }
        });
        var alarms = new ConcurrentQueue<string>();
        await using var host = new ChannelHost();
        var instance = host.Attach("vm1", $"qga://{guest.Path}", new InstanceOptions { Alarm = alarms.Enqueue });
        await instance.WaitReadyAsync(new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token);
        await instance.Freeze.FreezeAsync(TimeSpan.FromSeconds(60));
        Assert.Equal(Host.Freeze.FreezeState.Thawed, (await instance.Freeze.ThawAsync()).State);
        Assert.False(frozen);
        Assert.Equal(2, alarms.Count);
        Assert.All(alarms, static alarm => Assert.Contains("may be FROZEN", alarm));
    }

    [Fact]
    public async Task A_freeze_whose_answer_is_lost_is_thawed()
    {
        var frozen = false;
        await using var guest = new QgaDouble(async (guest, command, _) =>
        {
            frozen = command switch { "guest-fsfreeze-freeze" => true, "guest-fsfreeze-thaw" => false, _ => frozen };
            if (command == "guest-fsfreeze-freeze")
            {
                guest.Cut();
                return;
            }

            await guest.ReturnAsync(command == "guest-fsfreeze-status" ? frozen ? "\"frozen\"" : "\"thawed\"" : "1");
        });
        await using var host = new ChannelHost();
        var instance = host.Attach("vm1", $"qga://{guest.Path}", new InstanceOptions { Alarm = static _ => { } });
        await instance.WaitReadyAsync(new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token);
        await Assert.ThrowsAsync<ChannelException>(async () => await instance.Freeze.FreezeAsync(TimeSpan.FromSeconds(60)));
        Assert.False(frozen);
        Assert.Contains("guest-fsfreeze-thaw", guest.Commands);
    }

    [Fact]
    public async Task Of_a_guest_with_nonsense_facts_the_sensible_ones_are_kept()
    {
        await using var guest = new QgaDouble(static (guest, command, _) => guest.ReturnAsync(command switch
        {
            "guest-info" => "{\"version\": 7, \"supported_commands\": [1, {\"name\": \"guest-ping\", \"enabled\": true}, null]}",
            "guest-get-fsinfo" => "[{\"mountpoint\": \"/\", \"total-bytes\": -5, \"used-bytes\": 9223372036854775807}, []]",
            "guest-network-get-interfaces" => "{\"a\": 1}",
            "guest-get-host-name" => "{\"host-name\": \"\\ud800\"}",
            _ => "null",
        }));
        await using var host = new ChannelHost();
        var instance = host.Attach("vm1", $"qga://{guest.Path}");
        await instance.WaitReadyAsync(new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token);
        var info = await instance.Info.GetAsync();
        Assert.Equal("guest-ping", Assert.Single(info.Methods, static name => name.Length > 0));
        Assert.Equal((0L, 0L), (info.FileSystems[0].TotalBytes, info.FileSystems[0].AvailableBytes));
        Assert.Equal(ChannelError.InvalidArgument, (await Assert.ThrowsAsync<ChannelException>(async () => await instance.Time.DriftAsync())).Code);
    }

    [Fact]
    [Trait(Lane.Name, Lane.Integration)]
    public void Whatever_a_guest_sends_is_a_result_or_an_error()
    {
        var seconds = int.TryParse(Environment.GetEnvironmentVariable("CHANNELSDK_FUZZ_SECONDS"), out var set) ? set : 5;
        var seed = int.TryParse(Environment.GetEnvironmentVariable("CHANNELSDK_FUZZ_SEED"), out var first) ? first : Environment.TickCount;
        string[] pieces = ["{\"return\": ", "{}", "}", "[", "]", "\n", "\"", "\\u", "\\ud800", "error", "{\"error\": {\"class\": \"GenericError\", \"desc\": \"x\"}}", "1e9999", "null", "\u00ff", ","];
        for (var limit = System.Diagnostics.Stopwatch.StartNew(); limit.Elapsed < TimeSpan.FromSeconds(seconds); seed++)
        {
            var random = new Random(seed);
            var reader = new QgaReplyReader();
            reader.AwaitReply(8192);
            try
            {
                for (var i = 0; i < 60; i++)
                {
                    var bytes = random.Next(4) == 0 ? new byte[random.Next(1, 300)] : Encoding.Latin1.GetBytes(pieces[random.Next(pieces.Length)]);
                    if (random.Next(4) == 0)
                    {
                        random.NextBytes(bytes);
                    }

                    ReadOnlyMemory<byte> rest = bytes;
                    while (reader.TryTake(ref rest, out var line))
                    {
                        Look(line);
                        if (random.Next(2) == 0)
                        {
                            reader.AwaitSync();
                        }
                        else
                        {
                            reader.AwaitReply(8192);
                        }
                    }
                }
            }
            catch (ChannelException)
            {
                // Too long.
            }
            catch (Exception error)
            {
                throw new InvalidOperationException($"round with seed {seed} (CHANNELSDK_FUZZ_SEED) failed: {error.Message}", error);
            }
        }
    }

    private static void Look(ReadOnlyMemory<byte> line)
    {
        try
        {
            var value = QgaReplyReader.Parse(line, "guest-ping");
            _ = UntrustedJson.Text(value, "a") + UntrustedJson.Number(value, "b") + UntrustedJson.IsTrue(value, "c") + UntrustedJson.Items(value, 10).Count() + UntrustedJson.Bytes(value, "d");
        }
        catch (ChannelException)
        {
            // Said to be wrong.
        }
    }
}
