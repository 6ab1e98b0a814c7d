using System.IO.Hashing;
using System.Security.Cryptography;
using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Install;
using Google.Protobuf;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>The data of disks that a script of a real agent writes and reads.</summary>
[Collection("operations that agents run")]
[Trait(Lane.Name, Lane.Integration)]
public class InstallDataTests
{
    private const int Large = 5_000_003;

    [Fact]
    public async Task An_export_is_called_once_for_each_disk_and_its_output_is_the_data()
    {
        await using var rig = new AgentRig();
        var (first, second) = (await DiskAsync(rig, "a", Large), await DiskAsync(rig, "b", 0));
        await using var driver = await StartAsync(rig, "export", [first, second], """
            echo "$EXPORT_INDEX $EXPORT_DEVICE $EXPORT_DISK_PATH $IMPORT_DEVICE$(cat)" >&2
            stat -c %s "$EXPORT_DEVICE" >&"$EXP_SIZE_FD"
            cat "$EXPORT_DEVICE"
            """);
        foreach (var (index, path) in ((string[])[first, second]).Index())
        {
            var content = await File.ReadAllBytesAsync(path, rig.Soon);
            Assert.Equal(content, await ExportAsync(rig, driver, index));
            var size = DataSize.Parser.ParseFrom(await driver.UntilAsync(InstallMessage.DataSize));
            Assert.Equal(((uint)index, (ulong)content.Length), (size.Index, size.Bytes));
            AssertEnd(index, content, await driver.UntilAsync(InstallMessage.DataEnd));
        }

        Assert.Equal(0u, (await driver.FinishAsync()).Code);
        Assert.Equal($"0 {first} {first} \n1 {second} {second} \n", driver.Error.ToString());
        Assert.Equal("", driver.Output.ToString());
        Assert.Empty(Directory.GetDirectories(rig.RunFolder));
    }

    [Fact]
    public async Task An_import_is_called_once_for_each_disk_and_its_input_is_the_data()
    {
        await using var rig = new AgentRig();
        byte[][] contents = [RandomNumberGenerator.GetBytes(Large), []];
        string[] disks = [$"{rig.Guest}/a", $"{rig.Guest}/b"];
        await using var driver = await StartAsync(rig, "import", disks, """
            echo "$IMPORT_INDEX $IMPORT_DEVICE $EXPORT_DEVICE$EXP_SIZE_FD"
            cat > "$IMPORT_DEVICE"
            """);
        foreach (var (index, content) in contents.Index())
        {
            await using var stream = await OpenAsync(rig, driver, index);
            await GiveAsync(rig, stream, content);
            using var last = await stream.ReadAsync(rig.Soon);
            Assert.True(last.IsEnd);
            AssertEnd(index, content, await driver.UntilAsync(InstallMessage.DataEnd));
            Assert.Equal(content, await File.ReadAllBytesAsync(disks[index], rig.Soon));
        }

        Assert.Equal(0u, (await driver.FinishAsync()).Code);
        Assert.Equal($"0 {disks[0]} \n1 {disks[1]} \n", driver.Output.ToString());
    }

    [Fact]
    public async Task The_halves_talk_while_data_is_moved_and_what_one_call_leaves_running_ends_with_it()
    {
        await using var rig = new AgentRig();
        await using var driver = await StartAsync(rig, "export", ["/dev/a", "/dev/b"], """
            setsid sleep 1000 > /dev/null 2>&1 & echo $! >&2
            echo "$EXPORT_INDEX"
            """);
        Assert.Equal("0\n"u8.ToArray(), await ExportAsync(rig, driver, 0));
        await driver.UntilAsync(InstallMessage.DataEnd);
        Assert.True(InstallScripts.IsGone(int.Parse(driver.Error.ToString())));
        Assert.Equal("1\n"u8.ToArray(), await ExportAsync(rig, driver, 1));
        Assert.Equal(0u, (await driver.FinishAsync()).Code);
    }

    [Theory]
    [InlineData("export", "head -c 100000 /dev/zero; echo broken >&2; exit 7", 7)]
    [InlineData("import", "head -c 10 > /dev/null; echo broken >&2; exit 7", 7)]
    public async Task A_script_that_fails_in_the_middle_ends_the_sequence(string action, string script, uint code)
    {
        await using var rig = new AgentRig();
        await using var driver = await StartAsync(rig, action, ["/dev/a", "/dev/b"], script);
        var e = await Assert.ThrowsAsync<ChannelException>(() => action == "export" ? ExportAsync(rig, driver, 0) : ImportAsync(rig, driver, 0, new byte[Large]));
        Assert.Equal(ChannelError.FailedPrecondition, e.Code);
        Assert.Equal(code, (await driver.FinishAsync()).Code);
        Assert.Contains("broken", driver.Error.ToString(), StringComparison.Ordinal);
        Assert.Equal(ChannelError.NotFound, (await Assert.ThrowsAsync<ChannelException>(() => ExportAsync(rig, driver, 1))).Code);
    }

    [Theory]
    // It closes its input, it ends with a part still in the pipe, it reads nothing of what comes at once.
    [InlineData("head -c 10 > /dev/null; exec 0<&-; echo closed; sleep 0.1", Large)]
    [InlineData("head -c 10 > /dev/null", Large)]
    [InlineData("until [ -e go ]; do sleep 0.01; done", 1000)]
    public async Task An_import_that_ends_well_without_reading_all_is_an_error_that_says_so(string script, int bytes)
    {
        await using var rig = new AgentRig();
        await using var driver = await StartAsync(rig, "import", ["/dev/a"], $"cd '{rig.Guest}'\n{script}");
        await using (var stream = await OpenAsync(rig, driver, 0))
        {
            try
            {
                await GiveAsync(rig, stream, new byte[bytes]);
                await File.WriteAllTextAsync($"{rig.Guest}/go", "", rig.Soon);
                using var last = await stream.ReadAsync(rig.Soon);
                Assert.Fail("the import was told to be good");
            }
            catch (ChannelException)
            {
                // Why stands in the end of the half.
            }
        }

        var end = await driver.FinishAsync();
        Assert.Equal((0u, 0u, "the script of disk 0 has not read all of its data, and ended without an error"), (end.Code, end.Signal, end.Reason));
    }

    [Fact]
    public async Task An_import_that_knows_where_its_data_ends_need_not_wait_for_the_end()
    {
        await using var rig = new AgentRig();
        await using var driver = await StartAsync(rig, "import", ["/dev/a"], "head -c 10 > /dev/null; echo read");
        await using var stream = await OpenAsync(rig, driver, 0);
        await stream.WriteAsync(new byte[10], rig.Soon);
        await driver.UntilAsync(InstallMessage.Output);
        await stream.CompleteAsync(rig.Soon);
        using var last = await stream.ReadAsync(rig.Soon);
        Assert.True(last.IsEnd);
        Assert.Equal((0u, ""), ((await driver.FinishAsync()).Code, driver.Ended!.Reason));
    }

    [Fact]
    public async Task A_host_that_does_not_read_stops_the_script()
    {
        await using var rig = new AgentRig();
        await using var driver = await StartAsync(rig, "export", ["/dev/a"], "echo $$ >&2; exec cat /dev/zero");
        var stream = await OpenAsync(rig, driver, 0);
        await driver.UntilAsync(InstallMessage.Error);
        var pid = int.Parse(driver.Error.ToString());
        long written = -1;
        await InstallScripts.UntilAsync(rig, () => written == (written = InstallScripts.Written(pid)) && written > 0);
        // The stream's credit, the buffers of both sides and the pipe.
        Assert.InRange(written, 1, 4 << 20);
        // A host that gives up ends the script, and with it the sequence.
        await stream.DisposeAsync();
        Assert.Contains("gave up the data of disk 0", (await driver.FinishAsync()).Reason, StringComparison.Ordinal);
        Assert.True(InstallScripts.IsGone(pid));
    }

    [Fact]
    public async Task A_disk_that_is_not_next_or_another_operation_is_refused_and_changes_nothing()
    {
        await using var rig = new AgentRig();
        await using var driver = await StartAsync(rig, "export", ["/dev/a", "/dev/b"], $"echo \"$EXPORT_INDEX\"; [ $EXPORT_INDEX = 1 ] || until [ -e '{rig.Guest}/go' ]; do sleep 0.01; done");
        foreach (var index in (uint[])[1, 2, uint.MaxValue])
        {
            Assert.Equal(ChannelError.FailedPrecondition, (await RefusedAsync(rig, new DataRequest { Operation = driver.Operation, Index = index })).Code);
        }

        Assert.Equal(ChannelError.NotFound, (await RefusedAsync(rig, new DataRequest { Operation = ByteString.CopyFrom(new byte[16]) })).Code);
        Assert.Equal(ChannelError.InvalidArgument, (await RefusedAsync(rig, new DataRequest { Operation = ByteString.CopyFromUtf8("short") })).Code);
        await using (var first = await OpenAsync(rig, driver, 0))
        {
            using var message = await first.ReadAsync(rig.Soon);
            Assert.Equal("0\n"u8, message.Span);
            Assert.Equal(ChannelError.ResourceExhausted, (await RefusedAsync(rig, new DataRequest { Operation = driver.Operation, Index = 1 })).Code);
            await File.WriteAllTextAsync($"{rig.Guest}/go", "", rig.Soon);
            using var last = await first.ReadAsync(rig.Soon);
            Assert.True(last.IsEnd);
            await driver.UntilAsync(InstallMessage.DataEnd);
        }

        Assert.Equal(ChannelError.FailedPrecondition, (await RefusedAsync(rig, new DataRequest { Operation = driver.Operation, Index = 0 })).Code);
        Assert.Equal("1\n"u8.ToArray(), await ExportAsync(rig, driver, 1));
        Assert.Equal(0u, (await driver.FinishAsync()).Code);
    }

    [Fact]
    public async Task An_operation_without_data_runs_its_script_once_and_has_no_data_stream()
    {
        await using var rig = new AgentRig();
        await using var driver = await StartAsync(rig, "export", [], "echo \"as before$EXPORT_DEVICE\"; cat");
        await driver.UntilAsync(InstallMessage.Ended);
        Assert.Equal(ChannelError.FailedPrecondition, (await RefusedAsync(rig, new DataRequest { Operation = driver.Operation })).Code);
        Assert.Equal("as before\n", driver.Output.ToString());
    }

    [Theory]
    [InlineData("12x", "")]
    [InlineData("-5", "")]
    [InlineData("99999999999999999999", "")]
    [InlineData("0000000000000000000000000000000000000000000000000000000000000000000000001", "")]
    [InlineData("", "")]
    [InlineData(" 18446744073709551615 ", "18446744073709551615")]
    [InlineData("7\\n8", "7")]
    public async Task An_estimate_that_is_no_number_is_none(string text, string told)
    {
        await using var rig = new AgentRig();
        await using var driver = await StartAsync(rig, "export", ["/dev/a"], $"printf '{text}' >&$EXP_SIZE_FD; echo x");
        Assert.Equal("x\n"u8.ToArray(), await ExportAsync(rig, driver, 0));
        var sizes = new List<ulong>();
        while (await driver.NextAsync() is { Kind: not InstallMessage.Ended } message)
        {
            if (message.Kind == InstallMessage.DataSize)
            {
                sizes.Add(DataSize.Parser.ParseFrom(message.Content).Bytes);
            }
        }

        Assert.Equal(told, string.Join(' ', sizes));
    }

    [Theory]
    [InlineData("export")]
    [InlineData("import")]
    public async Task Five_cut_links_in_the_middle_change_no_byte(string action)
    {
        await using var rig = new AgentRig();
        var content = RandomNumberGenerator.GetBytes(4 * Large);
        var disk = $"{rig.Guest}/disk";
        if (action == "export")
        {
            await File.WriteAllBytesAsync(disk, content, rig.Soon);
        }

        await using var driver = await StartAsync(rig, action, [disk], "[ -z \"$EXPORT_DEVICE\" ] || exec cat \"$EXPORT_DEVICE\"\nexec cat > \"$IMPORT_DEVICE\"");
        var cuts = 0;
        void Cut(long moved)
        {
            if (moved > (cuts + 1) * (content.Length / 6) && cuts < 5)
            {
                cuts++;
                rig.Instance.DropLink("the test");
            }
        }

        var moved = action == "export" ? await ExportAsync(rig, driver, 0, Cut) : await ImportAsync(rig, driver, 0, content, Cut);
        AssertEnd(0, content, await driver.UntilAsync(InstallMessage.DataEnd));
        Assert.Equal(0u, (await driver.FinishAsync()).Code);
        Assert.Equal(5, cuts);
        Assert.Equal(SHA256.HashData(content), SHA256.HashData(moved));
        Assert.Equal(SHA256.HashData(content), SHA256.HashData(await File.ReadAllBytesAsync(disk, rig.Soon)));
    }

    [Fact]
    public async Task A_host_that_ends_the_operation_before_all_was_moved_is_told_so()
    {
        await using var rig = new AgentRig();
        await using var driver = await StartAsync(rig, "export", ["/dev/a", "/dev/b"], "echo x");
        await ExportAsync(rig, driver, 0);
        await driver.UntilAsync(InstallMessage.DataEnd);
        await driver.Out.CompleteAsync();
        await driver.UntilAsync(InstallMessage.Ended);
        Assert.Equal("the host ended the operation before all data was moved", driver.Ended!.Reason);
        await InstallScripts.UntilAsync(rig, () => Directory.GetDirectories(rig.RunFolder).Length == 0);
    }

    private static Task<InstallDriver> StartAsync(AgentRig rig, string action, string[] disks, string script) => InstallDriver.StartAsync(rig.Instance.Channel, script, request =>
    {
        request.Action = action;
        request.DataDevices.AddRange(disks);
    });

    private static async Task<string> DiskAsync(AgentRig rig, string name, int bytes)
    {
        await File.WriteAllBytesAsync($"{rig.Guest}/{name}", RandomNumberGenerator.GetBytes(bytes), rig.Soon);
        return $"{rig.Guest}/{name}";
    }

    private static ValueTask<ChannelStream> OpenAsync(AgentRig rig, InstallDriver driver, int index) => rig.Instance.Channel.OpenStreamAsync(
        InstallMethods.Data, new DataRequest { Operation = driver.Operation, Index = (uint)index }, cancellationToken: rig.Soon);

    private static async Task<byte[]> ExportAsync(AgentRig rig, InstallDriver driver, int index, Action<long>? moved = null)
    {
        await using var stream = await OpenAsync(rig, driver, index);
        using var all = new MemoryStream();
        while (true)
        {
            using var message = await stream.ReadAsync(rig.Soon);
            if (message.IsEnd)
            {
                return all.ToArray();
            }

            all.Write(message.Span);
            moved?.Invoke(all.Length);
        }
    }

    private static async Task<byte[]> ImportAsync(AgentRig rig, InstallDriver driver, int index, byte[] content, Action<long>? moved = null)
    {
        await using var stream = await OpenAsync(rig, driver, index);
        try
        {
            await GiveAsync(rig, stream, content, moved);
        }
        catch (ChannelException)
        {
            // The guest has ended the stream; why is read below.
        }

        using var last = await stream.ReadAsync(rig.Soon);
        Assert.True(last.IsEnd);
        return content;
    }

    private static async Task GiveAsync(AgentRig rig, ChannelStream stream, byte[] content, Action<long>? moved = null)
    {
        for (var at = 0; at < content.Length; at += 100_000)
        {
            await stream.WriteAsync(content.AsMemory(at, Math.Min(100_000, content.Length - at)), rig.Soon);
            moved?.Invoke(at);
        }

        await stream.CompleteAsync(rig.Soon);
    }

    private static async Task<ChannelException> RefusedAsync(AgentRig rig, DataRequest request) => await Assert.ThrowsAsync<ChannelException>(async () =>
    {
        await using var stream = await rig.Instance.Channel.OpenStreamAsync(InstallMethods.Data, request, cancellationToken: rig.Soon);
        using var message = await stream.ReadAsync(rig.Soon);
    });

    private static void AssertEnd(int index, byte[] content, byte[] message)
    {
        var end = DataEnd.Parser.ParseFrom(message);
        Assert.Equal(((uint)index, (ulong)content.Length), (end.Index, end.Bytes));
        Assert.Equal(XxHash3.HashToUInt64(content), end.Hash);
    }
}
