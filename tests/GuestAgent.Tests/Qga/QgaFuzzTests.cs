using System.Diagnostics;
using System.Globalization;
using System.Text;
using ChannelSdk.GuestAgent.Qga;
using Xunit.Abstractions;

namespace ChannelSdk.GuestAgent.Tests.Qga;

/// <summary>
/// Random clients against the face. CHANNELSDK_FUZZ_SECONDS sets how long (5 by default), CHANNELSDK_FUZZ_SEED with which
/// seed to begin; every round prints its own on failure.
/// </summary>
[Trait(Lane.Name, Lane.Integration)]
public sealed class QgaFuzzTests(ITestOutputHelper output)
{
    private static readonly string[] s_pieces =
    [
        "{\"execute\":\"guest-ping\"}", "{\"execute\":\"guest-sync\",\"arguments\":{\"id\":5}}", "{\"execute\":\"guest-info\",\"id\":{\"a\":[1,2,\"\\ud83d\\ude00\"]}}",
        "{\"execute\":\"guest-file-read\",\"arguments\":{\"handle\":1000,\"count\":-5}}", "{\"execute\":\"guest-file-write\",\"arguments\":{\"handle\":1000,\"buf-b64\":\"AAAA\"}}",
        "{\"execute\":\"guest-get-osinfo\"}", "{\"execute\":\"guest-exec-status\",\"arguments\":{\"pid\":1}}", "{\"execute\":\"guest-file-open\",\"arguments\":{\"path\":\"/etc/hostname\"}}",
        "{", "}", "[", "]", "\"", "\\", "\\u", ",", ":", "null", "true", "1e999999", "-", "\u0000", "\u001f", "é", "{\"execute\":", "\"arguments\":{", "\n",
    ];

    [Fact]
    public void Whatever_comes_a_reset_finds_the_next_request_and_no_more_memory_is_held_than_allowed()
    {
        var rounds = Run(seed =>
        {
            var random = new Random(seed);
            var framer = new QgaFramer(new QgaMemory());
            var noise = Noise(random, random.Next(1, 4000));
            byte[] all = [.. noise, 0xFF, .. "{\"execute\":\"guest-sync\",\"arguments\":{\"id\":77}}"u8];
            QgaRequest? last = null;
            for (var at = 0; at < all.Length;)
            {
                var space = framer.Space;
                var length = Math.Min(random.Next(1, 700), Math.Min(space.Length, all.Length - at));
                all.AsSpan(at, length).CopyTo(space.Span);
                framer.Advance(length);
                at += length;
                last = Drain(framer) ?? last;
            }

            framer.Release();
            Assert.Equal("guest-sync", last?.Command);
            Assert.Equal(77, last!.Arguments.Integer("id"));
        });
        output.WriteLine($"{rounds} rounds");
    }

    [Fact]
    public async Task Whatever_one_client_sends_the_next_one_is_served()
    {
        await using var rig = new QgaRig();
        var witness = await rig.ConnectAsync();
        var rounds = Run(seed =>
        {
            var random = new Random(seed);
            using var client = QgaTestClient.ConnectAsync(rig.Socket).GetAwaiter().GetResult();
            client.SendAsync(Noise(random, random.Next(1, 2000))).GetAwaiter().GetResult();
            if (random.Next(2) == 0)
            {
                client.SendAsync(new byte[] { 0xFF }).GetAwaiter().GetResult();
                client.SendAsync("{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":9}}\n").GetAwaiter().GetResult();
                byte[]? line;
                do
                {
                    line = client.ReadLineAsync().GetAwaiter().GetResult();
                    Assert.NotNull(line);
                }
                while (line[0] != 0xFF || Encoding.ASCII.GetString(line, 1, line.Length - 1) != "{\"return\": 9}");
            }

            witness.CallAsync("guest-ping").GetAwaiter().GetResult();
        });
        output.WriteLine($"{rounds} rounds");
    }

    private static QgaRequest? Drain(QgaFramer framer)
    {
        QgaRequest? last = null;
        while (true)
        {
            try
            {
                if (framer.Next() is not { } text)
                {
                    return last;
                }

                Assert.True(text.Length <= QgaFramer.MaxMessage);
                last = QgaRequest.Read(QgaValue.Parse(text));
            }
            catch (QgaException)
            {
                // What is wrong is said to be wrong; anything else is a failure of this test.
            }
        }
    }

    private static byte[] Noise(Random random, int length)
    {
        var noise = new List<byte>();
        while (noise.Count < length)
        {
            var piece = Encoding.UTF8.GetBytes(s_pieces[random.Next(s_pieces.Length)]);
            switch (random.Next(6))
            {
                case 0:
                    var bytes = new byte[random.Next(1, 40)];
                    random.NextBytes(bytes);
                    noise.AddRange(bytes);
                    break;
                case 1:
                    piece[random.Next(piece.Length)] = (byte)random.Next(256);
                    noise.AddRange(piece);
                    break;
                case 2:
                    noise.AddRange(piece[..random.Next(piece.Length)]);
                    break;
                default:
                    noise.AddRange(piece);
                    break;
            }
        }

        return [.. noise];
    }

    private int Run(Action<int> round)
    {
        var seed = Setting("CHANNELSDK_FUZZ_SEED", Environment.TickCount);
        var time = Stopwatch.StartNew();
        var limit = TimeSpan.FromSeconds(Setting("CHANNELSDK_FUZZ_SECONDS", 5));
        output.WriteLine($"first seed {seed}");
        var rounds = 0;
        for (; time.Elapsed < limit; rounds++, seed++)
        {
            try
            {
                round(seed);
            }
            catch (Exception error)
            {
                throw new InvalidOperationException($"round with seed {seed} (CHANNELSDK_FUZZ_SEED) failed: {error.Message}", error);
            }
        }

        return rounds;
    }

    private static int Setting(string name, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : otherwise;
}
