using System.Net;
using System.Text;
using System.Text.Json;
using ChannelSdk.Metadata.Http;

namespace ChannelSdk.Metadata.Tests;

/// <summary>The four layouts as clients ask for them.</summary>
public class LayoutTests
{
    [Theory]
    [InlineData("/latest/meta-data/instance-id", "i-0123456789abcdef0")]
    [InlineData("/2009-04-04/meta-data/instance-id", "i-0123456789abcdef0")]
    [InlineData("/2016-09-02/meta-data/instance-id", "i-0123456789abcdef0")]
    [InlineData("/2018-09-24/meta-data/instance-id", "i-0123456789abcdef0")]
    [InlineData("/2021-03-23/meta-data/instance-id", "i-0123456789abcdef0")]
    [InlineData("/1.0/meta-data/instance-id", "i-0123456789abcdef0")]
    [InlineData("/latest//meta-data/instance-id", "i-0123456789abcdef0")]
    [InlineData("/latest/meta-data/placement/availability-zone/", "eu-west-1a")]
    [InlineData("/latest/meta-data/placement", "availability-zone\nregion")]
    [InlineData("/latest/meta-data/placement/", "availability-zone\nregion")]
    [InlineData("/latest/meta-data/public-keys/", "0=lab-key\n1=other")]
    [InlineData("/latest/meta-data/public-keys/1/", "openssh-key")]
    [InlineData("/latest/meta-data/public-keys/1/openssh-key", "ssh-rsa AAAAB3NzaC1yc2E= you@lab")]
    [InlineData("/latest/meta-data/iam/security-credentials/", "lab-role")]
    [InlineData("/latest/meta-data/network/interfaces/macs/52:54:00:12:34:56/local-ipv4s", "192.0.2.5")]
    [InlineData("/latest/meta-data/network/interfaces/macs/52:54:00:12:34:56/subnet-ipv4-cidr-block", "192.0.2.0/24")]
    [InlineData("/latest", "meta-data/\nuser-data\ndynamic/")]
    [InlineData("/openstack/content/0000", "welcome\n")]
    [InlineData("/openstack/2018-08-27/user_data", "#!/bin/sh\necho \"hello\"   # not a comment of YAML\n\nexit 0\n")]
    [InlineData("/nocloud/vendor-data", "#cloud-config\n{}\n")]
    [InlineData("/ganeti/latest/os/scripts/create", "#!/bin/sh\nexit 0\n")]
    [InlineData("/ganeti/2014-01-01/os/scripts/create/", "#!/bin/sh\nexit 0\n")]
    public async Task A_path_answers_in_every_spelling_that_clients_use(string path, string expected)
    {
        await using var rig = await ServerRig.StartAsync();
        Assert.Equal(expected, await rig.GetAsync(path));
    }

    [Theory]
    [InlineData("/nope")]
    [InlineData("/2009-04-05/meta-data/instance-id")]
    [InlineData("/openstack/2009-04-04/meta_data.json")]
    [InlineData("/latest/meta-data/instance-idx")]
    [InlineData("/Latest/meta-data/")]
    [InlineData("/latest%2fmeta-data")]
    [InlineData("/ganeti/latest/os/scripts/import")]
    [InlineData("/ganeti/latest/os/package")]
    [InlineData("/openstack/content/0002")]
    public async Task What_is_not_there_is_404_for_reading_and_writing(string path)
    {
        await using var rig = await ServerRig.StartAsync();
        Assert.Equal(HttpStatusCode.NotFound, (await rig.SendAsync(HttpMethod.Get, path)).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await rig.SendAsync(HttpMethod.Post, path, new StringContent("x"))).StatusCode);
    }

    [Theory]
    [InlineData(Samples.Full)]
    [InlineData(Samples.Small)]
    public async Task Every_name_that_a_listing_shows_answers(string document)
    {
        await using var rig = await ServerRig.StartAsync(document, new MetadataServerOptions { RequestsPerSecond = 0 });
        var seen = 0;
        async Task CrawlAsync(string path)
        {
            foreach (var line in (await rig.GetAsync(path)).Split('\n'))
            {
                var name = line.Contains('=', StringComparison.Ordinal) ? line.Split('=')[0] + "/" : line;
                seen++;
                if (name.EndsWith('/'))
                {
                    await CrawlAsync(path + name);
                }
                else
                {
                    Assert.Equal(HttpStatusCode.OK, (await rig.SendAsync(HttpMethod.Get, path + name)).StatusCode);
                }
            }
        }

        foreach (var root in new[] { "/", "/latest/", "/2009-04-04/", "/openstack/", "/openstack/latest/", "/nocloud/", "/ganeti/", "/ganeti/latest/" })
        {
            await CrawlAsync(root);
        }

        Assert.True(seen > 60, $"{seen} names were seen");
        using var meta = JsonDocument.Parse(await rig.GetAsync("/openstack/latest/meta_data.json"));
        if (meta.RootElement.TryGetProperty("files", out var files))
        {
            foreach (var file in files.EnumerateArray())
            {
                await rig.GetAsync("/openstack" + file.GetProperty("content_path").GetString());
            }
        }
    }

    [Fact]
    public async Task The_identity_document_agrees_with_the_meta_data()
    {
        await using var rig = await ServerRig.StartAsync();
        using var document = JsonDocument.Parse(await rig.GetAsync("/latest/dynamic/instance-identity/document"));
        Assert.Equal(await rig.GetAsync("/latest/meta-data/instance-id"), document.RootElement.GetProperty("instanceId").GetString());
        Assert.Equal(await rig.GetAsync("/latest/meta-data/placement/availability-zone"), document.RootElement.GetProperty("availabilityZone").GetString());
        Assert.Equal("eu-west-1", document.RootElement.GetProperty("region").GetString());
    }

    [Fact]
    public async Task OpenStack_documents_have_what_cloud_init_reads()
    {
        await using var rig = await ServerRig.StartAsync();
        Assert.Contains("2018-08-27", (await rig.GetAsync("/openstack")).Split('\n'));
        using var meta = JsonDocument.Parse(await rig.GetAsync("/openstack/2018-08-27/meta_data.json"));
        Assert.Equal("7a1c3f0e-1111-4222-8333-444455556666", meta.RootElement.GetProperty("uuid").GetString());
        Assert.Equal("vm1.example.org", meta.RootElement.GetProperty("hostname").GetString());
        Assert.StartsWith("ssh-ed25519", meta.RootElement.GetProperty("public_keys").GetProperty("lab-key").GetString());
        Assert.Equal("c2VlZA==", meta.RootElement.GetProperty("random_seed").GetString());
        using var network = JsonDocument.Parse(await rig.GetAsync("/openstack/latest/network_data.json"));
        var first = network.RootElement.GetProperty("networks")[0];
        Assert.Equal(("ipv4", "192.0.2.5", "255.255.255.0"), (first.GetProperty("type").GetString(), first.GetProperty("ip_address").GetString(), first.GetProperty("netmask").GetString()));
        Assert.Equal("192.0.2.1", first.GetProperty("routes")[0].GetProperty("gateway").GetString());
        Assert.Equal("ffff:ffff:ffff:ffff::", network.RootElement.GetProperty("networks")[1].GetProperty("netmask").GetString());
        Assert.Equal("ipv4_dhcp", network.RootElement.GetProperty("networks")[2].GetProperty("type").GetString());
        using var vendor = JsonDocument.Parse(await rig.GetAsync("/openstack/latest/vendor_data.json"));
        Assert.Equal("#cloud-config\n{}\n", vendor.RootElement.GetProperty("cloud-init").GetString());
        Assert.Equal("{}", await rig.GetAsync("/openstack/latest/vendor_data2.json"));
    }

    [Fact]
    public async Task All_files_of_NoCloud_are_there_even_if_empty()
    {
        await using var rig = await ServerRig.StartAsync(Samples.Small);
        Assert.Equal("", await rig.GetAsync("/nocloud/user-data") + await rig.GetAsync("/nocloud/vendor-data") + await rig.GetAsync("/nocloud/network-config"));
        using var meta = JsonDocument.Parse(await rig.GetAsync("/nocloud/meta-data"));
        Assert.Equal("i-1", meta.RootElement.GetProperty("instance-id").GetString());
    }

    [Fact]
    public async Task Ganeti_parameters_come_with_their_class_and_secrets_for_a_token_only()
    {
        await using var rig = await ServerRig.StartAsync();
        const string path = "/ganeti/latest/os/parameters.json";
        const string without = """{"arch":["amd64","public"],"license":["L-PRIVATE-1","private"],"root_password":[null,"secret"]}""";
        Assert.Equal(without, await rig.GetAsync(path));
        var token = await rig.TokenAsync();
        using var full = await rig.SendAsync(HttpMethod.Get, path, null, ("X-aws-ec2-metadata-token", token));
        Assert.Contains("""["hunter2-secret","secret"]""", await full.Content.ReadAsStringAsync());
        using var forwarded = await rig.SendAsync(HttpMethod.Get, path, null, ("X-aws-ec2-metadata-token", token), ("X-Forwarded-For", "203.0.113.1"));
        Assert.Equal(without, await forwarded.Content.ReadAsStringAsync());
        rig.Store.WipeSecrets("vm1");
        using var wiped = await rig.SendAsync(HttpMethod.Get, path, null, ("X-aws-ec2-metadata-token", token));
        Assert.Equal(without, await wiped.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Secrets_are_given_once_if_so_asked_and_again_only_when_they_change()
    {
        await using var rig = await ServerRig.StartAsync();
        rig.Store.Merge("vm1", "os: {secret_access: once}\n"u8);
        var token = await rig.TokenAsync();
        async Task<bool> SeesAsync(HttpMethod method)
        {
            using var answer = await rig.SendAsync(method, "/ganeti/latest/os/parameters.json", null, ("X-aws-ec2-metadata-token", token));
            return (await answer.Content.ReadAsStringAsync()).Contains("hunter", StringComparison.Ordinal);
        }

        Assert.False(await SeesAsync(HttpMethod.Head));
        var all = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => SeesAsync(HttpMethod.Get)));
        Assert.Single(all, seen => seen);
        rig.Store.Merge("vm1", "hostname: other\n"u8);
        Assert.False(await SeesAsync(HttpMethod.Get));
        rig.Store.Merge("vm1", "os: {parameters: {root_password: {value: hunter3}}}\n"u8);
        Assert.True(await SeesAsync(HttpMethod.Get));
        Assert.False(await SeesAsync(HttpMethod.Get));
    }

    [Fact]
    public async Task A_key_with_a_space_in_its_name_is_listed_with_it()
    {
        await using var rig = await ServerRig.StartAsync(Samples.Small + "public_keys: {my key: ssh-rsa x}\n");
        Assert.Equal("0=my key", await rig.GetAsync("/1.0/meta-data/public-keys/"));
    }

    [Fact]
    public async Task A_password_is_posted_once_as_cloudbase_init_does_and_the_host_is_told()
    {
        await using var rig = await ServerRig.StartAsync(Samples.Small);
        const string path = "/openstack/2013-04-04/password";
        Assert.Equal("", await rig.GetAsync(path));
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, (await rig.SendAsync(HttpMethod.Post, path, new StringContent(new string('x', 1021)))).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await rig.SendAsync(HttpMethod.Post, path, new StringContent("ENCRYPTED=="))).StatusCode);
        Assert.Equal(HttpStatusCode.Conflict, (await rig.SendAsync(HttpMethod.Post, path, new StringContent("other"))).StatusCode);
        Assert.Equal("ENCRYPTED==", await rig.GetAsync("/openstack/latest/password"));
        Assert.Equal("ENCRYPTED==", Encoding.UTF8.GetString(rig.Vm1.PostedPassword.Span));
        Assert.Equal(1, rig.Vm1.Progress.LastCursor);
        rig.Vm1.ClearPostedPassword();
        Assert.Equal(HttpStatusCode.OK, (await rig.SendAsync(HttpMethod.Post, path, new StringContent("other"))).StatusCode);
    }

    [Fact]
    public async Task The_package_is_the_hosts_file_while_it_is_there()
    {
        await using var rig = await ServerRig.StartAsync(Samples.Small);
        var content = Enumerable.Range(0, 300_000).Select(i => (byte)i).ToArray();
        File.WriteAllBytes(rig["p.tgz"], content);
        rig.Store.Merge("vm1", Encoding.UTF8.GetBytes($"os: {{package_file: {rig["p.tgz"]}}}\n"));
        using var answer = await rig.SendAsync(HttpMethod.Get, "/ganeti/latest/os/package");
        Assert.Equal(content, await answer.Content.ReadAsByteArrayAsync());
        using var same = await rig.SendAsync(HttpMethod.Get, "/ganeti/latest/os/package", null, ("If-None-Match", answer.Headers.ETag!.ToString()));
        Assert.Equal(HttpStatusCode.NotModified, same.StatusCode);
        File.Delete(rig["p.tgz"]);
        Directory.CreateDirectory(rig["p.tgz"]);
        Assert.Equal(HttpStatusCode.NotFound, (await rig.SendAsync(HttpMethod.Get, "/ganeti/latest/os/package")).StatusCode);
        Assert.Equal(0, rig.Vm1.Counters.Failures);
    }
}
