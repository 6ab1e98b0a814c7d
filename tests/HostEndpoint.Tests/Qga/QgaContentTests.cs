using System.Text;
using System.Text.Json;
using ChannelSdk.Host;
using ChannelSdk.Host.Exec;
using ChannelSdk.Host.Files;
using ChannelSdk.Host.Qga;
using ChannelSdk.HostEndpoint.Tests.Install;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.HostEndpoint.Tests.Qga;

/// <summary>Files and outputs of a guest that has only qemu-ga.</summary>
public sealed class QgaContentTests : IAsyncDisposable
{
    private readonly TestFolder _folder = new();
    private readonly ChannelHost _host = new();
    private readonly QgaDouble _guest = new();
    private int _at;

    public async ValueTask DisposeAsync()
    {
        await _host.DisposeAsync();
        await _guest.DisposeAsync();
        _folder.Dispose();
    }

    private async Task<Instance> AttachAsync(Func<QgaDouble, string, JsonElement, Task> answer)
    {
        _guest.Answer = answer;
        var instance = _host.Attach("vm1", $"qga://{_guest.Path}");
        await instance.WaitReadyAsync(new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token);
        return instance;
    }

    /// <summary>qemu-ga with one file that says that it has no bytes; null: without an end.</summary>
    private Task FileAsync(QgaDouble guest, string command, JsonElement arguments, byte[]? content)
    {
        if (command != "guest-file-read")
        {
            _at = 0;
            return guest.ReturnAsync(command switch { "guest-file-open" => "1000", "guest-file-seek" => "{\"position\": 0, \"eof\": false}", _ => "{}" });
        }

        var count = arguments.GetProperty("count").GetInt32();
        var part = content is null ? new byte[count] : content[_at..Math.Min(content.Length, _at + count)];
        _at += part.Length;
        var isEnd = content is not null && part.Length < count;
        return guest.ReturnAsync($"{{\"count\": {part.Length}, \"buf-b64\": \"{Convert.ToBase64String(part)}\", \"eof\": {(isEnd ? "true" : "false")}}}");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(11)]
    [InlineData(300_000)]
    public async Task A_file_that_says_that_it_is_empty_is_read_to_its_end(int length)
    {
        var content = new byte[length];
        new Random(1).NextBytes(content);
        var instance = await AttachAsync((guest, command, arguments) => FileAsync(guest, command, arguments, content));
        var result = await instance.Files.CopyOutAsync(new GuestPath("/proc/cpuinfo"), _folder.At("copy"));
        Assert.Equal(length, result.Bytes);
        Assert.Equal(content, await File.ReadAllBytesAsync(_folder.At("copy")));
    }

    [Fact]
    public async Task A_device_without_an_end_is_refused_and_leaves_nothing()
    {
        var instance = await AttachAsync((guest, command, arguments) => FileAsync(guest, command, arguments, null));
        var error = await Assert.ThrowsAsync<ChannelException>(() => instance.Files.CopyOutAsync(new GuestPath("/dev/zero"), _folder.At("copy")));
        Assert.Equal(ChannelError.ResourceExhausted, error.Code);
        Assert.Contains("a device has no end", error.Message);
        Assert.Empty(Directory.GetFiles(_folder.Path));
    }

    [Theory]
    [InlineData("failed to open file '/x' (mode: 'r'): Permission denied", false)]
    [InlineData("failed to open file '/x' (mode: 'r'): No such file or directory", true)]
    public async Task Only_a_file_that_is_said_to_be_absent_is_taken_for_absent(string refusal, bool isAbsent)
    {
        var instance = await AttachAsync((guest, command, arguments) => command switch
        {
            "guest-file-open" when arguments.GetProperty("mode").GetString() == "r" => guest.ErrorAsync("GenericError", refusal),
            "guest-file-open" => guest.ReturnAsync("1000"),
            "guest-file-write" => guest.ReturnAsync("{\"count\": 3, \"eof\": false}"),
            "guest-file-seek" => guest.ReturnAsync("{\"position\": 3, \"eof\": false}"),
            _ => guest.ReturnAsync("{}"),
        });
        var copying = instance.Files.CopyInAsync(_folder.Write("source", "abc"), new GuestPath("/x"));
        if (isAbsent)
        {
            Assert.Equal(3, (await copying).Bytes);
        }
        else
        {
            Assert.Contains("cannot be told whether it exists", (await Assert.ThrowsAsync<ChannelException>(() => copying)).Message);
            Assert.DoesNotContain("guest-file-write", _guest.Commands);
        }
    }

    [Fact]
    public async Task All_that_qemu_ga_keeps_of_a_programs_outputs_arrives_with_its_exit_code()
    {
        var output = new byte[16 << 20];
        new Random(1).NextBytes(output);
        var text = Convert.ToBase64String(output);
        var instance = await AttachAsync((guest, command, _) => command switch
        {
            "guest-exec" => guest.ReturnAsync("{\"pid\": 7}"),
            "guest-exec-status" => guest.ReturnAsync($"{{\"exited\": true, \"exitcode\": 3, \"out-data\": \"{text}\", \"err-data\": \"{text}\"}}"),
            _ => guest.ReturnAsync("{}"),
        });
        var result = await instance.Exec.RunAsync(new ExecOptions { Command = ["/bin/cat"] }, maxOutput: 64 << 20);
        Assert.Equal(3, result.Exit.Code);
        Assert.True(output.AsSpan().SequenceEqual(result.Output.Span) && output.AsSpan().SequenceEqual(result.Error.Span));
    }

    [Fact]
    public async Task A_status_above_its_bound_fails_with_the_bound()
    {
        _guest.Answer = static (guest, _, _) => guest.ReturnAsync($"\"{new string('x', 9000)}\"");
        await using var client = QgaClient.Open(_guest.Path, new QgaClientOptions { MaxReply = 1 << 20, MaxExecReply = 8192 });
        var error = await Assert.ThrowsAsync<ChannelException>(async () => await client.CallAsync("guest-exec-status", "{\"pid\": 1}"));
        Assert.Equal(ChannelError.ResourceExhausted, error.Code);
        Assert.Contains("8192", error.Message);
        Assert.Equal(9000, (await client.CallAsync("guest-info")).GetString()!.Length);
    }
}
