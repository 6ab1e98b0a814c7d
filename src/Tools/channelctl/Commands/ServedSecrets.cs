using System.Text;
using System.Text.Json.Nodes;
using ChannelSdk.Metadata.Model;
using ChannelSdk.Metadata.Store;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Cli.Commands;

/// <summary>Gives serve the values of secret parameters, which live in the memory of the process that serves them and nowhere else.</summary>
internal static class ServedSecrets
{
    public const string Help = "INSTANCE:NAME=SOURCE: the value of a secret OS parameter that the instance's metadata declare, read from " + SecretSource.Help + "; may be given several times";

    /// <summary>Reads one and puts it.</summary>
    /// <exception cref="ChannelException">It is not written so, cannot be read, or the instance declares no such secret.</exception>
    public static async Task PutAsync(IMetadataStore store, string option, CancellationToken cancellationToken)
    {
        if (option.Split('=', 2) is not [var left, { Length: > 0 } source] || left.Split(':', 2) is not [var instance, { Length: > 0 } name])
        {
            throw Wrong("a --secret is not INSTANCE:NAME=SOURCE");
        }

        if (store.Find(instance)?.Metadata.Os.Parameters.TryGetValue(name, out var declared) != true || declared!.Class != ParameterClass.Secret)
        {
            throw Wrong($"the metadata of {SafeText.Escape(instance)} declare no secret parameter '{SafeText.Escape(name)}'; set them first, with {{class: secret}} and no value");
        }

        using var secret = await SecretSource.ReadAsync(source, cancellationToken);
        store.Merge(instance, Patch(name, SecretSource.ToText(secret.GetSpan(), "the secret")));
    }

    private static byte[] Patch(string name, string value) => Encoding.UTF8.GetBytes(new JsonObject
    {
        ["os"] = new JsonObject { ["parameters"] = new JsonObject { [name] = new JsonObject { ["value"] = value } } },
    }.ToJsonString());

    private static ChannelException Wrong(string text) => new(ChannelError.BadConfiguration, ErrorClass.Refused, text);
}
