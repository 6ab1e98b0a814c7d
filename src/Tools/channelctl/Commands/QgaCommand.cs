using System.Buffers;
using System.CommandLine;
using System.Text;
using System.Text.Json;
using ChannelSdk.Cli.Shared;
using ChannelSdk.Host.Qga;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Cli.Commands;

/// <summary>channelctl qga</summary>
internal static class QgaCommand
{
    private const string Prefix = "qga://";
    private static readonly TimeSpan s_refusalTime = TimeSpan.FromSeconds(2);

    public static Command Create()
    {
        var uri = new Argument<string>("URI") { Description = "The QEMU guest agent's socket, for instance qga:///run/vm1.qga" };
        var name = new Argument<string>("COMMAND") { Description = "For instance guest-get-osinfo" };
        name.Validators.Add(result =>
        {
            if (string.IsNullOrWhiteSpace(result.GetValueOrDefault<string>()))
            {
                result.AddError("COMMAND is empty");
            }
        });
        var arguments = new Argument<string?>("JSON") { Description = "Its arguments, a JSON object", Arity = ArgumentArity.ZeroOrOne };
        var timeout = ToolOptions.Seconds("--timeout", "Seconds to wait for the reply", 10, 0.1, 86_400);
        var command = new Command("qga", "Calls a command of the QEMU guest agent's protocol, of qemu-ga or of our agent's face.") { uri, name, arguments, timeout };
        command.SetAction((parsed, token) => RunAsync(
            parsed.GetValue(uri)!, parsed.GetValue(name)!, parsed.GetValue(arguments), TimeSpan.FromSeconds(parsed.GetValue(timeout)), token));
        return command;
    }

    private static async Task<int> RunAsync(string uri, string name, string? arguments, TimeSpan timeout, CancellationToken cancellationToken)
    {
        try
        {
            await using var client = QgaClient.Open(
                uri.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase) ? uri[Prefix.Length..] : uri, new QgaClientOptions { CallTimeout = timeout });
            if (name is "guest-shutdown" or "guest-suspend-ram" or "guest-suspend-disk" or "guest-suspend-hybrid")
            {
                await client.SendAsync(name, arguments, s_refusalTime, cancellationToken);
                Console.WriteLine("sent; this command has no reply, and the guest did not refuse it");
                return ExitCode.Ok;
            }

            Console.WriteLine(Format(await client.CallAsync(name, arguments, timeout, cancellationToken)));
            return ExitCode.Ok;
        }
        catch (Exception e)
        {
            return Failure.Tell(e, SafeText.Escape(uri, 200));
        }
    }

    // The writer leaves nothing in it that a terminal would obey.
    private static string Format(JsonElement value)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true }))
        {
            value.WriteTo(json);
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }
}
